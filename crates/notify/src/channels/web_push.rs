//! Web Push: a message to a browser, encrypted for it alone.
//!
//! Sources: RFC 8030 (delivery), RFC 8291 and RFC 8188 (encryption), RFC 8292 (VAPID).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use posthaste_core::limits::DEFAULT_THROTTLE;
use posthaste_core::{Failure, FailureClass, FailureClass as C, LaneFault};
use posthaste_worker::Context;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use ring::{aead, agreement, hkdf, signature};
use serde::Deserialize;
use serde_json::json;

use super::rows::{Code, Row, Status, status};
use super::service::{Request, Said, Services, body_text, judge, post, url_secrets};
use super::{Channel, Receipt, now};
use crate::channel::ChannelKind;
use crate::net::{HttpClient, read_url};
use crate::{Notification, NotifyConfig, ServiceKind};

/// How long a push service keeps a message for a browser that is away, in seconds, unless told otherwise.
const TTL: u64 = 24 * 3600;
/// How long a token is good for; push services refuse more than a day.
const TOKEN: Duration = Duration::from_secs(12 * 3600);
/// Largest message that every push service takes (RFC 8291 §4).
const RECORD: u32 = 4_096;

/// Why a subscription or key was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WebPushError {
    /// Not what a browser's `PushSubscription` looks like.
    #[error(
        "Give the subscription as the browser's PushSubscription.toJSON() gives it: endpoint, keys.p256dh and keys.auth."
    )]
    Subscription,
    /// Not a pair of VAPID keys.
    #[error("VAPID keys are a public key of 65 bytes and its private key of 32 bytes, both in base64url.")]
    Vapid,
}

/// What a browser gives a page that may send it messages.
#[derive(Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Where its push service takes messages.
    pub endpoint: String,
    public: Vec<u8>,
    auth: Vec<u8>,
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subscription(…)")
    }
}

#[derive(Deserialize)]
struct Wire {
    endpoint: String,
    keys: Keys,
}

#[derive(Deserialize)]
struct Keys {
    p256dh: String,
    auth: String,
}

/// Browsers leave the padding out, some libraries put it in, and some use the other alphabet.
fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=').replace('+', "-").replace('/', "_");
    URL_SAFE_NO_PAD.decode(text).ok()
}

impl FromStr for Subscription {
    type Err = WebPushError;

    fn from_str(text: &str) -> Result<Self, WebPushError> {
        let wire: Wire = serde_json::from_str(text).map_err(|_| WebPushError::Subscription)?;
        let key = |text: &str, len| decode(text).filter(|k| k.len() == len).ok_or(WebPushError::Subscription);
        read_url(&wire.endpoint).map_err(|_| WebPushError::Subscription)?;
        let public = key(&wire.keys.p256dh, 65)?;
        Ok(Self { endpoint: wire.endpoint, public, auth: key(&wire.keys.auth, 16)? })
    }
}

/// The key pair that identifies the sender to push services; cheap to clone. It does not print.
#[derive(Clone)]
pub struct VapidKey {
    pair: Arc<signature::EcdsaKeyPair>,
    public: String,
}

impl fmt::Debug for VapidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VapidKey(…)")
    }
}

impl VapidKey {
    /// From both keys in base64url, as `web-push generate-vapid-keys` prints them.
    ///
    /// # Errors
    /// [`WebPushError::Vapid`].
    pub fn new(public: &str, private: &str) -> Result<Self, WebPushError> {
        let (public, private) = (decode(public), decode(private));
        let (public, private) = public.zip(private).ok_or(WebPushError::Vapid)?;
        let pair = signature::EcdsaKeyPair::from_private_key_and_public_key(
            &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
            &private,
            &public,
            &SystemRandom::new(),
        );
        let pair = pair.map_err(|_| WebPushError::Vapid)?;
        Ok(Self { pair: Arc::new(pair), public: URL_SAFE_NO_PAD.encode(public) })
    }

    /// The public key, in base64url.
    pub(crate) fn public(&self) -> &str {
        &self.public
    }

    /// The `Authorization` header for one push service.
    fn authorization(&self, audience: &str, subject: &str) -> String {
        let expires = now().plus(TOKEN).as_millis() / 1_000;
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let head = part(json!({"typ": "JWT", "alg": "ES256"}));
        let claims = part(json!({"aud": audience, "exp": expires, "sub": subject}));
        let signed = format!("{head}.{claims}");
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes());
        let signature = signature.expect("the system has random numbers");
        format!("vapid t={signed}.{}, k={}", URL_SAFE_NO_PAD.encode(signature.as_ref()), self.public)
    }
}

/// Web Push.
pub struct WebPushChannel {
    services: Services,
    http: HttpClient,
}

impl WebPushChannel {
    /// With the services of `config`.
    pub fn new(config: &NotifyConfig, http: HttpClient) -> Self {
        Self { services: Services::new(ChannelKind::WebPush, config), http }
    }
}

#[async_trait]
impl Channel for WebPushChannel {
    fn kind(&self) -> ChannelKind {
        ChannelKind::WebPush
    }

    async fn send(&self, message: &Notification, cx: &Context) -> Result<Receipt, Failure> {
        let permanent = |why: String| Failure::new(FailureClass::Permanent, why);
        let service = self.services.of(message.provider.as_ref())?;
        let ServiceKind::WebPush { subject, key } = &service.kind else {
            unreachable!("services are found by their channel")
        };
        let to: Subscription =
            message.to.as_str().parse().map_err(|e: WebPushError| permanent(e.to_string()))?;
        // The push service is the browser's choice, not ours: what must not be called is the message's fault.
        let http = self.http.of(cx.task().tenant.as_ref());
        let url = http.guard().check_url(&to.endpoint).map_err(|e| permanent(e.to_string()))?;
        let mut content = json!({"id": cx.task().lease.task, "body": body_text(message)});
        if let Some(title) = &message.subject {
            content["title"] = title.clone().into();
        }
        if let Some(link) = message.options.get("url") {
            content["url"] = link.clone();
        }
        let body = encrypt(&to, content.to_string().as_bytes()).ok_or_else(|| {
            permanent(
                "The subscription's key is none, or the message is too long to be encrypted for it.".into(),
            )
        })?;
        let ttl = message.options.get("ttl").and_then(serde_json::Value::as_u64).unwrap_or(TTL);
        let authorization = key.authorization(&url.origin().ascii_serialization(), subject);
        let mut request = Request { url: to.endpoint.clone(), headers: Default::default(), body }
            .with("content-encoding", "aes128gcm")?
            .with("content-type", "application/octet-stream")?
            .with("ttl", &ttl.to_string())?
            .with("authorization", &authorization)?;
        for name in ["urgency", "topic"] {
            if let Some(value) = message.options.get(name).and_then(serde_json::Value::as_str) {
                request = request.with(name, value)?;
            }
        }
        let answer = post(&self.http, cx, request).await?;
        // Who knows the endpoint and the token could send, too.
        let mut secrets = url_secrets(&to.endpoint);
        secrets.extend(authorization.split([' ', '=', ',']).filter(|p| p.len() > 40).map(str::to_owned));
        let retry_after = (answer.status == 429).then(|| answer.retry_after.unwrap_or(DEFAULT_THROTTLE));
        judge(service, ROWS, &answer, Said { secrets, retry_after, ..Said::default() })
    }
}

/// Push services that browsers are known to use, by the end of their host's name.
const SERVICES: &[&str] =
    &["fcm.googleapis.com", "push.services.mozilla.com", "push.apple.com", "notify.windows.com"];
/// Lanes for all other hosts: who subscribes chooses them, and must not make as many lanes.
const OTHERS: u8 = 64;

/// The part of a lane's name that tells a subscription's push service. Its browser chooses it, so one that is not known
/// shares a lane with others.
pub(crate) fn service_of(subscription: &str) -> String {
    let url = subscription.parse::<Subscription>().ok().and_then(|s| read_url(&s.endpoint).ok());
    let known = url.as_ref().and_then(|url| {
        // On another port it is somebody else's, or nobody's.
        let host = url.host_str().filter(|_| url.scheme() == "https" && url.port().is_none())?;
        SERVICES
            .iter()
            .find(|s| host.strip_suffix(**s).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
    });
    match (known, url) {
        (Some(service), _) => (*service).to_owned(),
        (None, Some(url)) => {
            other(digest(&SHA256, url.origin().ascii_serialization().as_bytes()).as_ref()[0] % OTHERS)
        }
        (None, None) => other(0),
    }
}

fn other(n: u8) -> String {
    format!("other-{n:02x}")
}

/// Every value of [`service_of`].
pub(crate) fn services() -> impl Iterator<Item = String> {
    SERVICES.iter().map(|s| (*s).to_owned()).chain((0..OTHERS).map(other))
}

/// What the answers of push services mean.
pub(crate) const ROWS: &[Row] = &[
    status(404, C::Suppress, "the subscription is no more: it is forgotten (RFC 8030 §7.3)"),
    status(410, C::Suppress, "the subscription is no more: it is forgotten (RFC 8030 §7.3)"),
    status(413, C::Permanent, "too long"),
    status(400, C::Transient, "refused: this subscription's own"),
    // Apple answers so for a subscription that is stale or was made with another key; so does every service for a token that
    // is wrong (RFC 8292 §4.2).
    status(401, C::Transient, "this subscription's own, or our key").of_one(LaneFault::Misconfigured),
    status(403, C::Transient, "this subscription's own, or our key").of_one(LaneFault::Misconfigured),
    // RFC 8030 leaves open what a 429 is about; UnifiedPush says: the endpoint.
    status(429, C::Transient, "this subscription waits; 60 s unless the answer names a time"),
    Row {
        status: Status::Asking(503),
        code: Code::Any,
        class: C::Transient,
        several: None,
        why: "this subscription waits as long as is asked",
    },
];

/// Sixteen bytes of key and twelve of nonce, derived as RFC 8291 §3.4 says.
fn derive(shared: &[u8], to: &Subscription, ours: &[u8], salt: &[u8; 16]) -> Option<([u8; 16], [u8; 12])> {
    struct Len(usize);
    impl hkdf::KeyType for Len {
        fn len(&self) -> usize {
            self.0
        }
    }
    fn fill<const N: usize>(prk: &hkdf::Prk, info: &[&[u8]]) -> Option<[u8; N]> {
        let mut out = [0; N];
        prk.expand(info, Len(N)).ok()?.fill(&mut out).ok()?;
        Some(out)
    }
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, &to.auth).extract(shared);
    let ikm: [u8; 32] = fill(&prk, &[b"WebPush: info\0", &to.public, ours])?;
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(&ikm);
    Some((fill(&prk, &[b"Content-Encoding: aes128gcm\0"])?, fill(&prk, &[b"Content-Encoding: nonce\0"])?))
}

/// The content as one record for one browser; `None` when its key is none or the content is too long.
fn encrypt(to: &Subscription, content: &[u8]) -> Option<Vec<u8>> {
    let random = SystemRandom::new();
    let mut salt = [0; 16];
    random.fill(&mut salt).ok()?;
    let private = agreement::EphemeralPrivateKey::generate(&agreement::ECDH_P256, &random).ok()?;
    let ours = private.compute_public_key().ok()?;
    let theirs = agreement::UnparsedPublicKey::new(&agreement::ECDH_P256, &to.public);
    let derived =
        agreement::agree_ephemeral(private, &theirs, |shared| derive(shared, to, ours.as_ref(), &salt));
    let (key, nonce) = derived.ok().flatten()?;
    let mut out = Vec::with_capacity(content.len() + 103);
    out.extend_from_slice(&salt);
    out.extend_from_slice(&RECORD.to_be_bytes());
    out.push(u8::try_from(ours.as_ref().len()).ok()?);
    out.extend_from_slice(ours.as_ref());
    let mut record = content.to_vec();
    // The last record ends in a two (RFC 8188 §2).
    record.push(2);
    let key = aead::LessSafeKey::new(aead::UnboundKey::new(&aead::AES_128_GCM, &key).ok()?);
    let nonce = aead::Nonce::assume_unique_for_key(nonce);
    key.seal_in_place_append_tag(nonce, aead::Aad::empty(), &mut record).ok()?;
    out.extend_from_slice(&record);
    (out.len() <= RECORD as usize).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Vec<u8> {
        decode(text).unwrap()
    }

    /// RFC 8291, Appendix A.
    #[test]
    fn the_keys_of_the_standards_example_come_out() {
        let to = Subscription {
            endpoint: String::new(),
            public: bytes(
                "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
            ),
            auth: bytes("BTBZMqHH6r4Tts7J_aSIgg"),
        };
        let ours =
            bytes("BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8");
        let salt: [u8; 16] = bytes("DGv6ra1nlYgDCS1FRnbzlw").try_into().unwrap();
        let shared = bytes("kyrL1jIIOHEzg3sM2ZWRHDRB62YACZhhSlknJ672kSs");
        let (key, nonce) = derive(&shared, &to, &ours, &salt).unwrap();
        assert_eq!(key.to_vec(), bytes("oIhVW04MRdy2XN9CiKLxTg"));
        assert_eq!(nonce.to_vec(), bytes("4h_95klXJ5E_qnoN"));
    }

    #[test]
    fn a_browser_reads_what_was_encrypted_for_it() {
        let random = SystemRandom::new();
        let browser = agreement::EphemeralPrivateKey::generate(&agreement::ECDH_P256, &random).unwrap();
        let public = browser.compute_public_key().unwrap().as_ref().to_vec();
        let to = Subscription { endpoint: String::new(), public, auth: vec![7; 16] };
        let sent = encrypt(&to, b"hello").unwrap();
        let salt: [u8; 16] = sent[..16].try_into().unwrap();
        assert_eq!((&sent[16..20], sent[20]), (&4_096u32.to_be_bytes()[..], 65));
        let ours = sent[21..86].to_vec();
        let sender = agreement::UnparsedPublicKey::new(&agreement::ECDH_P256, &ours);
        let (key, nonce) =
            agreement::agree_ephemeral(browser, &sender, |shared| derive(shared, &to, &ours, &salt))
                .unwrap()
                .unwrap();
        let key = aead::LessSafeKey::new(aead::UnboundKey::new(&aead::AES_128_GCM, &key).unwrap());
        let mut record = sent[86..].to_vec();
        let nonce = aead::Nonce::assume_unique_for_key(nonce);
        let plain = key.open_in_place(nonce, aead::Aad::empty(), &mut record).unwrap();
        assert_eq!(plain, b"hello\x02");
        assert!(encrypt(&to, &vec![b'x'; 4_096]).is_none());
        assert!(encrypt(&Subscription { public: vec![4; 65], ..to }, b"x").is_none());
    }

    #[test]
    fn each_known_push_service_has_a_lane_and_the_others_share_a_few() {
        let at = |endpoint: &str| {
            let key = URL_SAFE_NO_PAD.encode([4u8; 65]);
            let text =
                json!({"endpoint": endpoint, "keys": {"p256dh": key, "auth": "AAAAAAAAAAAAAAAAAAAAAA"}});
            service_of(&text.to_string())
        };
        assert_eq!(at("https://fcm.googleapis.com/fcm/send/abc"), "fcm.googleapis.com");
        assert_eq!(at("https://updates.push.services.mozilla.com/wpush/v2/x"), "push.services.mozilla.com");
        assert_eq!(at("https://web.push.apple.com/QH"), "push.apple.com");
        assert_eq!(at("https://wns2-par02p.notify.windows.com/w/?token=x"), "notify.windows.com");
        for not in [
            "https://fcm.googleapis.com:8443/x",
            "http://fcm.googleapis.com/x",
            "https://evilfcm.googleapis.com/x",
            "https://fcm.googleapis.com.example.org/x",
            "https://push.example.org/x",
        ] {
            assert!(at(not).starts_with("other-"), "{not}");
        }
        assert_eq!(at("https://push.example.org/a"), at("https://push.example.org/b"));
        let all: Vec<String> = services().collect();
        let mut lanes: Vec<String> =
            (0..10_000).map(|n| at(&format!("https://h{n}.example.org/x"))).collect();
        assert!(lanes.iter().all(|l| all.contains(l)));
        lanes.sort();
        lanes.dedup();
        assert_eq!(lanes.len(), usize::from(OTHERS));
    }

    #[test]
    fn subscriptions_and_keys_are_checked() {
        let key = URL_SAFE_NO_PAD.encode([4u8; 65]);
        let good = format!(
            r#"{{"endpoint":"https://push.example.com/x","expirationTime":null,"keys":{{"p256dh":"{key}","auth":"AAAAAAAAAAAAAAAAAAAAAA=="}}}}"#
        );
        let subscription: Subscription = good.parse().unwrap();
        assert_eq!(subscription.endpoint, "https://push.example.com/x");
        for bad in [
            "",
            "{}",
            &good.replace("https", "ftp"),
            &good.replace("AAAA", "A"),
            &good.replace("p256dh", "p"),
        ] {
            assert!(bad.parse::<Subscription>().is_err(), "{bad}");
        }
        assert!(VapidKey::new("x", "y").is_err());
    }

    #[test]
    fn keys_are_read_in_either_alphabet_padded_or_not() {
        use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
        // Every character of both alphabets, `+/` and `-_` among them.
        let (public, auth) = ([0xfbu8; 65], [0xffu8; 16]);
        for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD] {
            let (p256dh, auth) = (engine.encode(public), engine.encode(auth));
            let text =
                json!({"endpoint": "https://push.example.com/x", "keys": {"p256dh": p256dh, "auth": auth}})
                    .to_string();
            assert!(text.parse::<Subscription>().is_ok_and(|s| s.public == public), "{text}");
            let short =
                json!({"endpoint": "https://push.example.com/x", "keys": {"p256dh": p256dh, "auth": "-+"}})
                    .to_string();
            assert!(short.parse::<Subscription>().is_err(), "{short}");
        }
    }
}
