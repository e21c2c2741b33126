//! Lists are paginated: `?page=` and `?page_size=` in, `count`, `next`, `previous`, `results` out.

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest};
use diesel::dsl::{Limit, Offset};
use diesel::query_dsl::methods::{LimitDsl, OffsetDsl};
use diesel_async::methods::LoadQuery;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use std::future::{Ready, ready};

use super::error::{ApiError, ApiResult};
use super::origin::origin;

const DEFAULT_SIZE: i64 = 20;
const LARGEST_SIZE: i64 = 100;

#[derive(Debug, Clone, Copy)]
enum Number {
    At(i64),
    Last,
    Invalid,
}

/// The page that a caller requests.
#[derive(Debug, Clone)]
pub struct PageRequest {
    number: Number,
    size: i64,
    base: String,
    query: Vec<(String, String)>,
}

/// One page of results.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Page<T> {
    /// Number of results on all pages.
    pub count: i64,
    /// Address of the next page.
    pub next: Option<String>,
    /// Address of the previous page.
    pub previous: Option<String>,
    pub results: Vec<T>,
}

impl FromRequest for PageRequest {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::read(request)))
    }
}

impl PageRequest {
    fn read(request: &HttpRequest) -> Self {
        let mut query: Vec<(String, String)> = actix_web::web::Query::<Vec<(String, String)>>::from_query(request.query_string())
            .map(actix_web::web::Query::into_inner)
            .unwrap_or_default();
        query.sort();
        let value = |name: &str| query.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let number = match value("page") {
            None | Some("") => Number::At(1),
            Some("last") => Number::Last,
            Some(text) => text.parse().ok().filter(|page| *page >= 1).map_or(Number::Invalid, Number::At),
        };
        let size = value("page_size").and_then(|text| text.parse::<i64>().ok()).filter(|size| *size >= 1);
        let base = format!("{}{}", origin(request), request.path());
        Self { number, size: size.map_or(DEFAULT_SIZE, |size| size.min(LARGEST_SIZE)), base, query }
    }

    /// Returns the number of rows to take.
    pub fn limit(&self) -> i64 {
        self.size
    }

    fn page_of(&self, count: i64) -> ApiResult<i64> {
        let last = self.last_of(count);
        match self.number {
            Number::Last => Ok(last),
            Number::At(page) if page <= last => Ok(page),
            _ => Err(ApiError::detail(StatusCode::NOT_FOUND, "Invalid page.")),
        }
    }

    fn last_of(&self, count: i64) -> i64 {
        ((count + self.size - 1) / self.size).max(1)
    }

    /// Returns the number of rows to skip, given the number of all rows; 404 when there is no such page.
    pub fn offset(&self, count: i64) -> ApiResult<i64> {
        Ok((self.page_of(count)? - 1) * self.size)
    }

    /// Wraps the rows of this page.
    pub fn wrap<T>(&self, count: i64, results: Vec<T>) -> ApiResult<Page<T>> {
        let page = self.page_of(count)?;
        let next = (page < self.last_of(count)).then(|| self.address(page + 1));
        let previous = (page > 1).then(|| self.address(page - 1));
        Ok(Page { count, next, previous, results })
    }

    fn address(&self, page: i64) -> String {
        let mut pairs: Vec<(String, String)> = self.query.iter().filter(|(key, _)| key != "page").cloned().collect();
        if page > 1 {
            pairs.push(("page".to_owned(), page.to_string()));
        }
        pairs.sort();
        let mut text = form_urlencoded(&pairs);
        if !text.is_empty() {
            text.insert(0, '?');
        }
        format!("{}{text}", self.base)
    }
}

/// Counts all rows, and loads those of one page; 404 when there is no such page.
///
/// Counting is a separate statement, since the rows are ordered and may be wide, while most lists are counted from an index.
pub async fn paginate<'query, Counted, Rows, Row>(
    connection: &mut AsyncPgConnection,
    page: &PageRequest,
    counted: Counted,
    rows: Rows,
) -> ApiResult<(i64, Vec<Row>)>
where
    Counted: LoadQuery<'query, AsyncPgConnection, i64> + 'query,
    Rows: LimitDsl,
    Limit<Rows>: OffsetDsl,
    Offset<Limit<Rows>>: LoadQuery<'query, AsyncPgConnection, Row> + 'query,
    Row: Send,
{
    let count: i64 = counted.get_result(connection).await?;
    let offset = page.offset(count)?;
    let rows = rows.limit(page.limit()).offset(offset).load(connection).await?;
    Ok((count, rows))
}

fn form_urlencoded(pairs: &[(String, String)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn request(query: &str) -> PageRequest {
        PageRequest::read(&TestRequest::get().uri(&format!("/api/v1/project/{query}")).to_http_request())
    }

    #[test]
    fn links_keep_the_other_parameters_and_page_one_names_no_page() {
        let page = request("?page=2&name=a%20b&page_size=10").wrap(30, vec![0]).unwrap();
        assert_eq!(page.next.unwrap(), "http://localhost:8080/api/v1/project/?name=a+b&page=3&page_size=10");
        assert_eq!(page.previous.unwrap(), "http://localhost:8080/api/v1/project/?name=a+b&page_size=10");
    }

    #[test]
    fn a_page_that_is_not_there_is_404() {
        for query in ["?page=0", "?page=x", "?page=3", "?page=-1"] {
            assert_eq!(request(query).offset(40).unwrap_err().status(), StatusCode::NOT_FOUND, "{query}");
        }
        assert_eq!(request("?page=last").offset(41).unwrap(), 40);
        assert_eq!(request("").offset(0).unwrap(), 0);
    }

    #[test]
    fn size_is_clamped_and_nonsense_ignored() {
        assert_eq!(request("?page_size=1000").limit(), 100);
        assert_eq!(request("?page_size=0").limit(), 20);
        assert_eq!(request("?page_size=x").limit(), 20);
    }
}
