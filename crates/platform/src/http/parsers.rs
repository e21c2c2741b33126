//! The three notations of a request body: JSON, a form, and the text parts of a multipart form.

use std::pin::Pin;

use actix_multipart::{Multipart, MultipartError};
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, ORIGIN};
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use futures_util::{StreamExt, stream};
use serde_json::{Map, Value};

use super::body::{Body, Encoding};
use super::error::{ApiError, ApiResult};
use super::payload::whole;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parser {
    Json,
    Form,
    Multipart,
}

impl FromRequest for Body {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = ApiResult<Self>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let parser = parser_of(request);
        let headers = request.headers().clone();
        let bytes = whole(request, payload);
        Box::pin(async move {
            let bytes = bytes.await?;
            if bytes.is_empty() {
                return Ok(Self::default());
            }
            match parser {
                Some(Parser::Json) => json(&bytes),
                Some(Parser::Form) => Ok(form(&bytes)),
                Some(Parser::Multipart) => multipart(&headers, bytes).await,
                None => Err(ApiError::detail(
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    "This media type is not supported. Send the body as application/json.",
                )),
            }
        })
    }
}

/// Returns the parser of a media type; `None` for one that is not supported. A body without a type is read as JSON, as simple
/// programs send it, but not from a page: pages name the type unless they try to avoid the browser's preflight request.
fn parser_of(request: &HttpRequest) -> Option<Parser> {
    match request.content_type().to_ascii_lowercase().as_str() {
        "" if request.headers().contains_key(ORIGIN) => None,
        "" | "application/json" => Some(Parser::Json),
        "application/x-www-form-urlencoded" => Some(Parser::Form),
        "multipart/form-data" => Some(Parser::Multipart),
        _ => None,
    }
}

fn json(bytes: &[u8]) -> ApiResult<Body> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(map)) => Ok(Body::from(map)),
        Ok(_) => Err(ApiError::non_field("Invalid data. Expected a JSON object.")),
        // NaN and Infinity end up here, too: they are not JSON.
        Err(error) => Err(ApiError::bad_request(format!("JSON parse error - {error}"))),
    }
}

fn form(bytes: &[u8]) -> Body {
    let mut fields = Map::new();
    for (name, value) in url::form_urlencoded::parse(bytes) {
        add(&mut fields, &name, value.into_owned());
    }
    Body(fields, Encoding::Form)
}

async fn multipart(headers: &HeaderMap, bytes: web::Bytes) -> ApiResult<Body> {
    let mut parts = Multipart::new(headers, stream::once(async move { Ok(bytes) }));
    let mut fields = Map::new();
    while let Some(part) = parts.next().await {
        let mut part = part.map_err(|error| malformed(&error))?;
        let name = part.name().unwrap_or_default().to_owned();
        let is_file = part.content_disposition().is_some_and(|disposition| disposition.get_filename().is_some());
        let mut value = Vec::new();
        while let Some(piece) = part.next().await {
            value.extend_from_slice(&piece.map_err(|error| malformed(&error))?);
        }
        // No field read here is a file; a file that is sent anyway is ignored.
        if !is_file {
            let text = String::from_utf8(value).map_err(|_| ApiError::field(&name, "This is not text in UTF-8."))?;
            add(&mut fields, &name, text);
        }
    }
    Ok(Body(fields, Encoding::Form))
}

fn malformed(error: &MultipartError) -> ApiError {
    ApiError::bad_request(format!("Multipart form parse error - {error}."))
}

/// Adds a field; one given more than once becomes a list.
fn add(fields: &mut Map<String, Value>, name: &str, value: String) {
    match fields.get_mut(name) {
        None => drop(fields.insert(name.to_owned(), Value::from(value))),
        Some(Value::Array(values)) => values.push(Value::from(value)),
        Some(first) => *first = Value::from(vec![first.take(), Value::from(value)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;
    use serde_json::json;

    async fn read(content_type: &str, body: &'static str) -> ApiResult<Map<String, Value>> {
        let request = TestRequest::post().insert_header(("content-type", content_type)).set_payload(body);
        let (request, mut payload) = request.to_http_parts();
        Body::from_request(&request, &mut payload).await.map(|body| body.0)
    }

    #[actix_web::test]
    async fn the_three_parsers_read_the_same_fields() {
        let expected = json!({ "name": "Ä b", "scopes": ["read", "write"] });
        let multipart = "--x\r\ncontent-disposition: form-data; name=\"name\"\r\n\r\nÄ b\r\n\
            --x\r\ncontent-disposition: form-data; name=\"scopes\"\r\n\r\nread\r\n\
            --x\r\ncontent-disposition: form-data; name=\"scopes\"\r\n\r\nwrite\r\n\
            --x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\n1\r\n--x--\r\n";
        for (content_type, body) in [
            ("application/json; charset=utf-8", "{\"name\": \"Ä b\", \"scopes\": [\"read\", \"write\"]}"),
            ("application/x-www-form-urlencoded", "name=%C3%84+b&scopes=read&scopes=write"),
            ("multipart/form-data; boundary=x", multipart),
        ] {
            assert_eq!(Value::Object(read(content_type, body).await.unwrap()), expected, "{content_type}");
        }
        assert!(read("application/json", "").await.unwrap().is_empty());
    }

    #[actix_web::test]
    async fn a_page_has_to_name_the_type_of_its_body() {
        let read = async |headers: &[(&str, &str)]| {
            let request = headers.iter().fold(TestRequest::post(), |request, header| request.append_header(*header));
            let (request, mut payload) = request.set_payload("{\"name\": \"a\"}").to_http_parts();
            Body::from_request(&request, &mut payload).await.map_err(|error| error.status().as_u16())
        };
        assert!(read(&[]).await.is_ok());
        assert_eq!(read(&[("origin", "http://localhost")]).await.unwrap_err(), 415);
        assert!(read(&[("origin", "http://localhost"), ("content-type", "application/json")]).await.is_ok());
    }

    #[actix_web::test]
    async fn what_cannot_be_read_says_so_with_the_right_status() {
        for (content_type, body, status) in [
            ("text/plain", "name=1", 415),
            ("application/json", "{\"a\": NaN}", 400),
            ("application/json", "{\"a\": Infinity}", 400),
            ("application/json", "{\"a\": 1e999}", 400),
            ("application/json", "{", 400),
            ("application/json", "[1]", 400),
            ("multipart/form-data", "x", 400),
            ("multipart/form-data; boundary=x", "nonsense", 400),
        ] {
            assert_eq!(read(content_type, body).await.unwrap_err().status().as_u16(), status, "{content_type} {body}");
        }
    }
}
