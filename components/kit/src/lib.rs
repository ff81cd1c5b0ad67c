//! What the endpoint components share: requests, problems and JSON.
