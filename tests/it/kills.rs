//! `kill -9` at any moment: nothing is corrupt, no quota is handed back, what was answered lasts.
//!
//! `TOLLGATE_KILLS` says how often, 100 unless set.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::house::{ADMIN_TOKEN, Folder, Gateway, Request, Wire, get, kill_while_starting, post};

/// Quotas whose blocks are 1, 100 and 1,000 requests.
const CONFIG: &str = r#"
[apis.shop]
routes = [{ method = "GET", path = "/a", api_key_required = true, integration = { type = "MOCK", body = "a" } }]
[apis.shop.stages.prod]
variables = { colour = "blue" }
[apis.shop.stages.prod.canary]
variables = { colour = "green" }
percent = 10

[usage_plans]
small = { stages = ["shop/prod"], quota = { limit = 300, period = "month" } }
middle = { stages = ["shop/prod"], quota = { limit = 20000, period = "month" } }
large = { stages = ["shop/prod"], quota = { limit = 10000000, period = "month" } }

[api_keys.small]
value = "small-0123456789-0123456789"
usage_plans = ["small"]
[api_keys.middle]
value = "middle-0123456789-0123456789"
usage_plans = ["middle"]
[api_keys.large]
value = "large-0123456789-0123456789"
usage_plans = ["large"]
"#;

/// An API key, and what its clients saw over all lives of the gateway.
struct Key {
    name: &'static str,
    limit: u64,
    block: u64,
    admitted: AtomicU64,
    /// Sent and perhaps counted: the answer died with the gateway.
    broken: AtomicU64,
}

impl Key {
    fn new(name: &'static str, limit: u64, block: u64) -> Key {
        Key { name, limit, block, admitted: AtomicU64::new(0), broken: AtomicU64::new(0) }
    }

    /// Asks as fast as it can, of whoever is at the address.
    fn ask_all_the_time(&self, place: &Place) {
        let wish = get("/shop/prod/a").key(&format!("{}-0123456789-0123456789", self.name));
        while !place.is_over.load(Ordering::SeqCst) {
            let address = place.get();
            let Some(Ok(mut wire)) = address.map(Wire::try_open) else {
                thread::sleep(Duration::from_millis(1));
                continue;
            };
            loop {
                match wire.try_ask(&wish).map(|answer| answer.status) {
                    Ok(200) => self.admitted.fetch_add(1, Ordering::SeqCst),
                    // A spent quota is asked for now and then, so that the others get their turn.
                    Ok(429) => {
                        thread::sleep(Duration::from_millis(5));
                        continue;
                    }
                    Ok(status) => panic!("{status}"),
                    Err(_) => {
                        self.broken.fetch_add(1, Ordering::SeqCst);
                        break;
                    }
                };
            }
        }
    }

    /// Nothing is in flight: what the gateway knows is what its clients saw, and what was reserved for nothing.
    #[track_caller]
    fn check(&self, gateway: &Gateway, kills: u64, extensions: u64) {
        let used = gateway.usage(self.name, self.name, "used");
        let admitted = self.admitted.load(Ordering::SeqCst);
        let seen = admitted + self.broken.load(Ordering::SeqCst);
        let name = self.name;
        assert!(admitted <= self.limit + extensions, "{name}: {admitted} admitted after {kills} kills");
        assert!(used >= admitted, "{name}: {used} used, {admitted} admitted: handed back after {kills} kills");
        let most = seen + 2 * self.block * kills;
        assert!(used <= most, "{name}: {used} used, {seen} seen after {kills} kills");
    }
}

/// Where the gateway of the moment is.
#[derive(Default)]
struct Place {
    address: Mutex<Option<SocketAddr>>,
    is_over: AtomicBool,
}

impl Place {
    fn get(&self) -> Option<SocketAddr> {
        *self.address.lock().expect("nothing in here can panic")
    }

    fn set(&self, address: Option<SocketAddr>) {
        *self.address.lock().expect("nothing in here can panic") = address;
    }
}

fn with_token(path: &str, body: serde_json::Value) -> Request {
    post(path, body.to_string())
        .header("Content-Type", "application/json")
        .header("Authorization", format!("Bearer {ADMIN_TOKEN}"))
}

/// Whether a change through the admin API was answered with success before the gateway died.
fn is_done(admin: SocketAddr, path: &str, body: serde_json::Value) -> bool {
    let answer = Wire::try_open(admin).and_then(|mut wire| wire.try_ask(&with_token(path, body)));
    answer.is_ok_and(|answer| answer.status == 200)
}

/// A while of up to `ms`, of any length: the moment of a kill is what chance makes it.
fn a_while(ms: u64) {
    thread::sleep(Duration::from_micros(fastrand::u64(0..ms * 1_000)));
}

/// What the file says after the promotion, from a gateway that lives long enough.
fn promoted_text() -> (String, String) {
    let gateway = Gateway::start(CONFIG, &[]);
    let before = gateway.folder().read("tollgate.toml");
    gateway.command("/v1/promote", &json!({ "stage": "shop/prod" }));
    (before, gateway.folder().read("tollgate.toml"))
}

#[test]
fn a_hundred_kills_hand_nothing_back_and_leave_every_file_whole() {
    let kills_wanted = std::env::var("TOLLGATE_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(100);
    let (before, after) = promoted_text();
    assert!(before.contains("canary") && !after.contains("canary"));
    let keys = [Key::new("small", 300, 1), Key::new("middle", 20_000, 100), Key::new("large", 10_000_000, 1_000)];
    let place = Place::default();
    let folder = Arc::new(Folder::new(CONFIG, &[]));
    let (mut extended, mut extensions_sent) = (0, 0);
    let (mut promoted, mut is_promoted) = (0, 0);
    let start = Instant::now();
    thread::scope(|scope| {
        // However this ends, the clients end too.
        let _end = Ending(&place);
        for key in &keys {
            scope.spawn(|| key.ask_all_the_time(&place));
        }
        for kills in 0..kills_wanted {
            folder.write("tollgate.toml", &before);
            if kills % 8 == 7 {
                kill_while_starting(&folder, Duration::from_millis(fastrand::u64(0..150)));
            }
            let mut gateway = Gateway::start_in(Arc::clone(&folder), &[]);
            keys.iter().for_each(|key| key.check(&gateway, kills + kills / 8, extensions_sent));
            let extension = gateway.usage("small", "small", "extension");
            assert!((extended..=extensions_sent).contains(&extension), "{extension} of {extended}");

            place.set(Some(gateway.http()));
            let admin = gateway.admin_address();
            let extending = scope.spawn(move || {
                a_while(60);
                is_done(admin, "/v1/usage/extend", json!({ "key": "small", "plan": "small", "requests": 1 }))
            });
            let promoting = scope.spawn(move || {
                a_while(60);
                is_done(admin, "/v1/promote", json!({ "stage": "shop/prod" }))
            });
            a_while(100);
            gateway.kill9();
            place.set(None);

            extensions_sent += 1;
            extended += u64::from(extending.join().unwrap());
            let is_answered = promoting.join().unwrap();
            let text = folder.read("tollgate.toml");
            assert!(text == after || (text == before && !is_answered), "after {kills} kills:\n{text}");
            promoted += u64::from(is_answered);
            is_promoted += u64::from(text == after);
        }
    });
    let known = ["tollgate.toml", ".tollgate.toml.tmp", "data"];
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let name = entry.unwrap().file_name();
        assert!(known.iter().any(|known| name == *known), "{name:?} is left behind");
    }
    let admitted: u64 = keys.iter().map(|key| key.admitted.load(Ordering::SeqCst)).sum();
    println!(
        "{kills_wanted} kills in {:?}: {admitted} requests admitted, {extended} of {extensions_sent} extensions and \
         {promoted} promotions answered, {is_promoted} in the file",
        start.elapsed()
    );
    assert!(admitted > 300 && extended > 0 && is_promoted > 0, "the kills met something");
}

/// Ends the clients.
struct Ending<'a>(&'a Place);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::SeqCst);
        self.0.set(None);
    }
}
