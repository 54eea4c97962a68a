//! Published signatures.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::*;

fn assert_mac(algorithm: Algorithm, bytes: &[u8], text: &[u8], expected: &str) {
    let key = key(algorithm, bytes);
    assert_eq!(hex::encode(key.sign(&[text]).unwrap()), expected);
    assert!(check(&key, &[text], &[&hex::decode(expected).unwrap()]));
}

const LARGE: &[u8] = b"Test Using Larger Than Block-Size Key - Hash Key First";

#[test]
fn rfc_4231_hmac_sha256() {
    for (bytes, text, expected) in [
        (
            &[0x0b; 20][..],
            &b"Hi There"[..],
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        ),
        (
            b"Jefe",
            b"what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (
            &[0xaa; 20],
            &[0xdd; 50],
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
        ),
        (
            &[0xaa; 131],
            LARGE,
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
    ] {
        assert_mac(Algorithm::HmacSha256, bytes, text, expected);
    }
}

#[test]
fn rfc_2202_hmac_sha1() {
    for (bytes, text, expected) in [
        (
            &[0x0b; 20][..],
            &b"Hi There"[..],
            "b617318655057264e28bc0b6fb378c8ef146be00",
        ),
        (
            b"Jefe",
            b"what do ya want for nothing?",
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
        ),
        (
            &[0xaa; 20],
            &[0xdd; 50],
            "125d7342b9ac11cd91a39af48aa17b4f63f175d3",
        ),
        (
            &[0xaa; 80],
            LARGE,
            "aa4ae5e15272d00e95705637ce8a3b55ed402112",
        ),
    ] {
        assert_mac(Algorithm::HmacSha1, bytes, text, expected);
    }
}

#[test]
fn fips_180_4_plain_sha256() {
    let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_mac(Algorithm::Sha256, b"any", b"abc", digest);
}

#[test]
fn rfc_8032_ed25519() {
    for (seed, public, text, signature) in [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bac\
             c61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "r",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e\
             458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
    ] {
        let pair = hex::decode([seed, public].concat()).unwrap();
        let private = key(Algorithm::Ed25519, &pair);
        let signed = private.sign(&[text.as_bytes()]).unwrap();
        assert_eq!(hex::encode(&signed), signature);
        let public = key(Algorithm::Ed25519, &hex::decode(public).unwrap());
        assert!(check(&public, &[text.as_bytes()], &[&signed]));
    }
}

#[test]
fn rfc_6979_p256() {
    let jwk = r#"{"kty":"EC","crv":"P-256","kid":"a",
        "x":"YP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Y",
        "y":"eQP-EAi4vJmkGunpVii8ZPLxsgwtfp9Rd6PClNRGIpk",
        "d":"ya-p2EW6dRZrXCFXZ7HWk05Qw9s26JsSe4piKxIPZyE"}"#;
    let key = key(Algorithm::Es256, jwk.as_bytes());
    let (kid, signature) = key.es256_sign(b"sample").unwrap();
    assert_eq!(kid, "a");
    assert_eq!(
        hex::encode(signature),
        "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716\
         f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
    );
}

#[test]
fn standard_webhooks_v1a() {
    let format = KeyFormat {
        private_prefix: "whsk_".to_owned(),
        ..format(KeyDecoding::Base64, "whpk_")
    };
    let decode = |text: &str| format.decode(Algorithm::Ed25519, &secret(text)).unwrap();
    let private = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicM\
                   Fs6Kvg==";
    let public = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=";
    let signature =
        "hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==";
    let parts: &[&[u8]] = &[
        b"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.",
        br#"{"test": 2432232314}"#,
    ];
    let signed = decode(private).sign(parts).unwrap();
    assert_eq!(STANDARD.encode(&signed), signature);
    assert!(check(&decode(public), parts, &[&signed]));
    assert_eq!(
        format.public_text(&decode(private)).as_deref(),
        Some(public)
    );
}

#[test]
fn sendgrid_event_webhook() {
    let format = format(KeyDecoding::SpkiDer, "");
    let public = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+\
                  2fNNRaINXvVpiglSI8eNEc6wEA3F+g==";
    let key = format
        .decode(Algorithm::EcdsaP256, &secret(public))
        .unwrap();
    assert_eq!(format.public_text(&key).as_deref(), Some(public));
    let signature = STANDARD.decode(
        "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM=",
    );
    let signature = signature.unwrap();
    let body = concat!(
        r#"[{"email":"hello@world.com","event":"dropped","reason":"Bounced Address","#,
        r#""sg_event_id":"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA","#,
        r#""sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0","#,
        r#""smtp-id":"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>","timestamp":1600112492}]"#,
    );
    let signed: &[&[u8]] = &[b"1600112502", body.as_bytes(), b"\r\n"];
    assert!(check(&key, signed, &[&signature]));
    assert!(!check(&key, &signed[..2], &[&signature]));
}

#[test]
fn plaid_verification() {
    let jwk = r#"{"alg":"ES256","created_at":1560466143,"crv":"P-256","expired_at":null,
        "kid":"6c5516e1-92dc-479e-a8ff-5a51992e0001","kty":"EC","use":"sig",
        "x":"35lvC8uz2QrWpQJ3TUH8t9o9DURMp7ydU518RKDl20k",
        "y":"I8BuXB2bvxelzJAd7OKhd-ZwjCst05Fx47Mb_0ugros"}"#;
    let input = "eyJhbGciOiJFUzI1NiIsImtpZCI6IjZjNTUxNmUxLTkyZGMtNDc5ZS1hOGZmLTVhNTE5OTJlMDAwMSIsInR5cCI6IkpXVCJ9.\
                 eyJpYXQiOjE1OTA4ODcwMDEsInJlcXVlc3RfYm9keV9zaGEyNTYiOiJiNjNhMDdiNTQ3YjAwZjk5MjU0N2Y2YmJjOGQ5YWNj\
                 NjFhOGNjZWUxMzhiYzgyZjQ0YTZiYWEwOTY4M2E1ZDBmIn0";
    let signature = URL_SAFE_NO_PAD.decode(
        "OOKvIihgqCj7Qrb2bmz7T3t7uK-0JyjiEqL2s1kWeJBM4MMmjaHKK8GmU_z91QolBWMzvPgs718EElY-rE3cwQ",
    );
    let signature = signature.unwrap();
    let key = key(Algorithm::Es256, jwk.as_bytes());
    let kid = "6c5516e1-92dc-479e-a8ff-5a51992e0001";
    assert!(key.es256_verify(kid, input.as_bytes(), &signature));
    assert!(!key.es256_verify("6c5516e1", input.as_bytes(), &signature));
    assert!(!key.es256_verify(kid, &input.as_bytes()[1..], &signature));
    assert!(key.es256_sign(input.as_bytes()).is_none());
}
