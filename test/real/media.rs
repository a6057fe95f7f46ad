//! What people upload: who may, how much, who gets to see it, and what the server fetches for them.

use std::net::TcpListener;

use serde_json::Value;

use crate::common::{Instance, Said, file};

/// A picture of one grey pixel.
pub(crate) const PIXEL: &[u8] = &[
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, 0x49, 0x48, 0x44, 0x52, 0, 0, 0,
    1, 0, 0, 0, 1, 8, 0, 0, 0, 0, 0x3a, 0x7e, 0x9b, 0x55, 0, 0, 0, 10, 0x49, 0x44, 0x41, 0x54,
    0x78, 0x9c, 0x63, 0x68, 0, 0, 0, 0x82, 0, 0x81, 0x77, 0xcd, 0x72, 0xb6, 0, 0, 0, 0, 0x49, 0x45,
    0x4e, 0x44, 0xae, 0x42, 0x60, 0x82,
];

impl Instance {
    fn execute(&self, what: &str) -> Said {
        self.run(&["content", "execute", "--name", what, "--format", "json"])
    }
}

#[test]
fn uploads_are_counted_limited_and_shown_to_users_alone() {
    let mut server = Instance::installed("media");
    server.variable("MATRIX_SYNAPSE_MEDIA_USER_LIMITS", "1d=3K");
    server.variable("MATRIX_SYNAPSE_URL_PREVIEWS", "true");
    server.run(&["manage", "install", "--start"]).success();
    server.run(&["content", "media"]).success().says("uploads                0      0 B");
    let room = server.clear_room("Pictures");
    let picture = file(&server.data, "pixel.png", PIXEL).display().to_string();
    let sent = server.json(&["content", "send-media", &room, &picture]);
    let uri = sent["content_uri"].as_str().or(sent["url"].as_str());
    let uri = uri.unwrap_or_else(|| panic!("{sent}")).strip_prefix("mxc://").unwrap().to_owned();

    let figures = server.json(&["content", "media"]);
    assert_eq!(figures["stored"]["local"]["count"], 1);
    assert_eq!(figures["stored"]["local"]["bytes"], PIXEL.len());
    assert_eq!(figures["users"][0]["user_id"], "@operator:test.example");
    assert_eq!(figures["users"][0]["media_length"], PIXEL.len());

    let get = |path: String| crate::common::get(server.port, &path).0;
    assert_eq!(get(format!("/_matrix/client/v1/media/download/{uri}")), 401);
    assert_eq!(get(format!("/_matrix/media/v3/download/{uri}")), 404);
    let small = format!("/_matrix/client/v1/media/thumbnail/{uri}?width=32&height=32&method=crop");
    server.execute(&format!("GET {small}")).says("answered something unexpected");
    assert!(server.json(&["content", "media"])["stored"]["local_thumbnails"]["count"] != 0);

    let large = file(&server.data, "large.bin", &[7; 4096]).display().to_string();
    server
        .run(&["content", "send-media", &room, &large])
        .exits(1)
        .says("`media.user_limits` lets one");

    // The server calls no address of its own network for a preview, whoever posts it.
    let inside = TcpListener::bind("127.0.0.1:0").unwrap();
    inside.set_nonblocking(true).unwrap();
    let url = format!("http://{}/", inside.local_addr().unwrap());
    let asked = format!("GET /_matrix/client/v1/media/preview_url?url={url}");
    let said = server.execute(&asked).exits(1);
    let refused: Value = serde_json::from_str(&said.stdout).unwrap();
    assert!(refused["error"]["message"].as_str().unwrap().contains("IP address blocked"), "{said}");
    assert!(inside.accept().is_err(), "it was called");
}
