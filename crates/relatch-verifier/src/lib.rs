//! For resource servers: access tokens checked without a network call per request, as a function, a tower layer and an axum extractor.
