//! Both discovery documents, and the keys that they lead to.

use crate::support::cast;

#[tokio::test]
async fn both_documents_hold_what_strict_clients_demand_and_lead_somewhere() {
    let (server, mut anon, ..) = cast().await;
    let oauth = anon.get("/.well-known/oauth-authorization-server").await;
    let openid = anon.get("/.well-known/openid-configuration").await;
    assert_eq!(oauth.body, openid.body);
    assert_eq!(oauth.body["issuer"], server.url.as_str());
    for endpoint in ["token_endpoint", "revocation_endpoint", "introspection_endpoint"] {
        let path = oauth.text(endpoint).strip_prefix(&server.url).unwrap().to_owned();
        assert!(anon.form(&path, &[]).await.body["error"].is_string(), "{path}");
    }
    for list in
        ["response_types_supported", "subject_types_supported", "id_token_signing_alg_values_supported"]
    {
        assert!(oauth.body[list].is_array(), "{list}");
    }
    let keys = anon.get(oauth.text("jwks_uri").strip_prefix(&server.url).unwrap()).await;
    assert_eq!(keys.header("content-type"), "application/json");
    assert!(keys.header("cache-control").starts_with("public, max-age="));
    for key in keys.body["keys"].as_array().unwrap() {
        assert_eq!((&key["alg"], &key["use"], &key["kty"]), (&"ES256".into(), &"sig".into(), &"EC".into()));
        assert!(key["kid"].is_string() && key.get("d").is_none());
    }
}
