//! Section 3.17 of the contract over HTTP: ping, the API document and its pages.

use serde_json::json;

use crate::support::TestApp;

#[tokio::test(flavor = "multi_thread")]
async fn anybody_may_ping() {
    let app = TestApp::start().await;
    for path in ["/api/v1/ping/", "/api/ping/"] {
        assert_eq!(app.anonymous().get(path).await.expect(200).body, json!({ "success": true }));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_comes_as_yaml_unless_json_is_asked_for() {
    let app = TestApp::start().await;
    let anyone = app.anonymous();
    let yaml = anyone.get("schema/").await.expect(200);
    assert_eq!(yaml.header("content-type"), "application/vnd.oai.openapi");
    assert!(yaml.bytes.starts_with(b"openapi:"));
    for json in [
        anyone.get("schema/?format=json").await,
        anyone.raw(reqwest::Method::GET, "schema/", &[("accept", "application/json")], "").await,
    ] {
        let json = json.expect(200);
        assert_eq!(json.header("content-type"), "application/vnd.oai.openapi+json");
        assert_eq!(json.body["paths"]["/api/v1/project/"]["get"]["operationId"], "list_project");
    }
    anyone.get("schema/?format=xml").await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_load_nothing_from_elsewhere() {
    let app = TestApp::start().await;
    let anyone = app.anonymous();
    for base in ["/api/v1", "/api"] {
        for (page, script) in [("swagger-ui", "swagger-ui-bundle.js"), ("redoc", "redoc.standalone.js")] {
            let address = format!("{base}/schema/{page}/");
            let answer = anyone.get(&address).await.expect(200);
            let html = String::from_utf8(answer.bytes.clone()).unwrap();
            assert!(answer.header("content-type").starts_with("text/html"), "{address}");
            assert!(answer.header("content-security-policy").contains("default-src 'self'"));
            assert!(!html.contains("src=\"http") && !html.contains("href=\"http"), "{html}");
            assert!(html.contains(script), "{html}");
            assert!(!anyone.get(&format!("{address}{script}")).await.expect(200).bytes.is_empty());
            let moved = anyone.get(address.trim_end_matches('/')).await.expect(301);
            assert_eq!(moved.header("location"), address);
        }
    }
    let initializer = anyone.get("schema/swagger-ui/swagger-initializer.js").await.expect(200);
    assert!(String::from_utf8(initializer.bytes).unwrap().contains("/api/v1/schema/?format=json"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_there_is_404_and_every_other_address_is_a_page() {
    let app = TestApp::start().await;
    let anyone = app.anonymous();
    for file in ["/admin/", "/admin/login/", "/static/x.css", "/nothing.js", "/favicon.png", "/assets/gone.js", "/static/"] {
        let answer = anyone.get(file).await.expect(404);
        assert_eq!(answer.body, json!({ "detail": "Not found." }), "{file}");
    }
    for page in ["/", "/login", "/projects/1/jobs/2", "/nowhere", "/password-reset"] {
        assert!(anyone.get(page).await.expect(200).header("content-type").starts_with("text/html"), "{page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_and_pages_are_compressed_and_not_sent_again() {
    let app = TestApp::start().await;
    let anyone = app.anonymous();
    let get = async |path: &str, header: (&str, &str)| anyone.raw(reqwest::Method::GET, path, &[header], "").await;
    for path in [
        "schema/?format=json",
        "schema/",
        "/inference/openapi.json",
        "/inference/docs/swagger-ui-bundle.js",
        "schema/swagger-ui/",
        "schema/swagger-ui/swagger-ui.css",
        "schema/redoc/",
    ] {
        let plain = anyone.get(path).await.expect(200);
        assert_eq!(plain.header("content-encoding"), "", "{path}");
        let packed = get(path, ("accept-encoding", "gzip")).await.expect(200);
        assert_eq!(packed.header("content-encoding"), "gzip", "{path}");
        assert!(packed.header("vary").starts_with("accept-encoding"), "{path}");
        let mut unpacked = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(packed.bytes.as_slice()), &mut unpacked).unwrap();
        assert!(unpacked == plain.bytes, "{path}");
        let tag = plain.header("etag");
        assert!(!tag.is_empty() && tag == packed.header("etag"), "{path}");
        assert!(get(path, ("if-none-match", &tag)).await.expect(304).bytes.is_empty(), "{path}");
    }
    let initializer = async |path: &str| anyone.get(path).await.expect(200).bytes;
    let of_inference = initializer("/inference/docs/swagger-initializer.js").await;
    assert_ne!(of_inference, initializer("schema/swagger-ui/swagger-initializer.js").await);
}
