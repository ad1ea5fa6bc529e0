//! `relatch webhooks`, and what a configuration with receivers may say.

use crate::support::Folder;
use std::fs;

/// A configuration with one receiver, at a port where nobody listens.
fn configured(folder: &Folder, more: &str) {
    let secret = folder.ask(&["webhooks", "secret"]);
    fs::write(folder.path("hook.secret"), secret).unwrap();
    let text = format!(
        "[[webhooks]]\nname = 'crm'\nurl = 'http://127.0.0.1:9/hooks?key=sesame'\nsecret_file = 'hook.secret'\n{more}"
    );
    fs::write(folder.path("relatch.toml"), text).unwrap();
}

#[test]
fn an_operator_sees_pings_and_replays_what_a_receiver_is_told() {
    let folder = Folder::new();
    folder.make("before@example.com");
    configured(&folder, "danger_private_address = true\nevents = ['signed_up']");
    let list = folder.ask(&["webhooks", "list"]);
    assert!(
        list.contains("crm") && list.contains("http://127.0.0.1:9") && list.contains("signed_up"),
        "{list}"
    );
    assert!(list.contains("evt_1") && list.contains("0 messages wait") && !list.contains("sesame"), "{list}");
    let ping = folder.run(&["webhooks", "ping", "crm"]);
    ping.assert_refused(&["`crm` did not take the message"]);
    assert!(!ping.err.contains("sesame"), "{ping:?}");
    let replayed = folder.ask(&["webhooks", "replay", "crm", "--after", "evt_0"]);
    assert!(replayed.starts_with("1 events"), "{replayed}");
    // The same event does not wait twice.
    folder.ask(&["webhooks", "replay", "crm", "--after", "evt_0"]);
    assert!(folder.ask(&["webhooks", "list"]).contains("1 messages wait"));
    assert!(folder.ask(&["webhooks", "events"]).lines().any(|word| word == "refresh_reuse"));
    folder.run(&["webhooks", "ping", "erp"]).assert_refused(&["`erp`", "`relatch webhooks list`"]);
    folder.run(&["webhooks", "replay", "crm", "--after", "7"]).assert_refused(&["evt_42"]);
}

#[test]
fn a_secret_is_new_each_time_and_a_missing_or_short_one_is_named_by_its_file() {
    let folder = Folder::new();
    let (one, other) = (folder.ask(&["webhooks", "secret"]), folder.ask(&["webhooks", "secret"]));
    assert!(one.starts_with("whsec_") && one != other);
    configured(&folder, "danger_private_address = true");
    fs::write(folder.path("hook.secret"), "whsec_c2VzYW1l").unwrap();
    let short = folder.run(&["webhooks", "list"]);
    short.assert_refused(&["`crm`", "hook.secret", "24 to 64 bytes"]);
    assert!(!short.err.contains("c2VzYW1l"));
    fs::remove_file(folder.path("hook.secret")).unwrap();
    folder.run(&["webhooks", "list"]).assert_refused(&["`crm`", "hook.secret", "`relatch webhooks secret`"]);
}

#[test]
fn a_receiver_within_the_network_has_to_be_meant() {
    let folder = Folder::new();
    configured(&folder, "events = ['log_in']");
    let refused = folder.run(&["webhooks", "list"]);
    refused.assert_refused(&["the webhook `crm`", "danger_private_address", "`log_in`"]);
}
