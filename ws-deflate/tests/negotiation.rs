//! RFC 7692 section 7, both roles.

#![allow(clippy::expect_used)]

use ws_deflate::{
    Agreed, MAX_OFFER, NegotiationError, Offer, OfferReader, ResponseReader, ServerRules, Side,
};

const fn side(takeover: bool, window_bits: u8) -> Side {
    Side {
        takeover,
        window_bits,
    }
}

const LARGE: ServerRules = ServerRules {
    client: side(true, 15),
    server: side(true, 15),
};
const SMALL: ServerRules = ServerRules {
    client: side(false, 9),
    server: side(true, 10),
};

/// What the server answers; however the value is cut.
fn answer(rules: ServerRules, headers: &[&str]) -> Option<String> {
    let read = |cut: usize| {
        let mut reader = OfferReader::new(rules);
        for header in headers {
            header
                .as_bytes()
                .chunks(cut)
                .for_each(|piece| reader.value(piece));
            reader.header_end();
        }
        reader.agreed()
    };
    let whole = read(1000);
    for cut in 1..20 {
        assert_eq!(read(cut), whole);
    }
    whole.map(|agreed| agreed.write(&mut [0; MAX_OFFER]).expect("fits").to_owned())
}

fn judged(offer: Offer, headers: &[&str]) -> Result<Option<Agreed>, NegotiationError> {
    let read = |cut: usize| {
        let mut reader = ResponseReader::new(offer);
        for header in headers {
            header
                .as_bytes()
                .chunks(cut)
                .for_each(|piece| reader.value(piece));
            reader.header_end();
        }
        reader.agreed()
    };
    for cut in 1..20 {
        assert_eq!(read(cut), read(1000));
    }
    read(1000)
}

#[test]
fn offers_are_answered() {
    for (rules, offer, expected) in [
        (LARGE, "permessage-deflate", Some("permessage-deflate")),
        (
            LARGE,
            "permessage-deflate; client_max_window_bits",
            Some("permessage-deflate"),
        ),
        (
            LARGE,
            "permessage-deflate; client_max_window_bits=12",
            Some("permessage-deflate; client_max_window_bits=12"),
        ),
        (
            LARGE,
            "permessage-deflate;server_max_window_bits=10 ; server_no_context_takeover",
            Some("permessage-deflate; server_no_context_takeover; server_max_window_bits=10"),
        ),
        (
            LARGE,
            "permessage-deflate; client_no_context_takeover",
            Some("permessage-deflate; client_no_context_takeover"),
        ),
        // What the server imposes.
        (
            SMALL,
            "permessage-deflate; client_max_window_bits",
            Some(
                "permessage-deflate; client_no_context_takeover; server_max_window_bits=10; \
                 client_max_window_bits=9",
            ),
        ),
        (
            SMALL,
            "permessage-deflate; client_max_window_bits=8; server_max_window_bits=9",
            Some(
                "permessage-deflate; client_no_context_takeover; server_max_window_bits=9; \
                 client_max_window_bits=8",
            ),
        ),
        // The client cannot be asked for a smaller window.
        (SMALL, "permessage-deflate", None),
        (
            SMALL,
            "permessage-deflate; client_no_context_takeover",
            None,
        ),
        // Of several offers the first that can be met.
        (
            SMALL,
            "permessage-deflate, permessage-deflate; client_max_window_bits=9",
            Some(
                "permessage-deflate; client_no_context_takeover; server_max_window_bits=10; \
                 client_max_window_bits=9",
            ),
        ),
        (LARGE, "foo; a=\"b,c\"", None),
        (
            LARGE,
            "foo;a=b, permessage-deflate",
            Some("permessage-deflate"),
        ),
        (LARGE, ", permessage-deflate ,,", Some("permessage-deflate")),
        (LARGE, "x-webkit-deflate-frame", None),
        (LARGE, "", None),
    ] {
        assert_eq!(answer(rules, &[offer]).as_deref(), expected, "{offer}");
    }
    let two = ["foo", "permessage-deflate"];
    assert_eq!(answer(LARGE, &two).as_deref(), Some("permessage-deflate"));
}

#[test]
fn quoted_values_are_tokens() {
    for value in ["\"10\"", "\"1\\0\"", " 10", "10 ", " \"10\" "] {
        let offer = format!("permessage-deflate; server_max_window_bits={value}");
        let expected = "permessage-deflate; server_max_window_bits=10";
        assert_eq!(
            answer(LARGE, &[&offer]).as_deref(),
            Some(expected),
            "{offer}"
        );
    }
}

#[test]
fn odd_offers_are_declined() {
    for parameters in [
        "server_max_window_bits",
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "server_max_window_bits=08",
        "server_max_window_bits=010",
        "server_max_window_bits=+8",
        "server_max_window_bits=8.0",
        "server_max_window_bits=100",
        "server_max_window_bits=264",
        "server_max_window_bits=\"\"",
        "server_max_window_bits=\" 9\"",
        "server_max_window_bits=\"9",
        "server_max_window_bits=",
        "client_max_window_bits=0",
        "client_max_window_bits=16",
        "client_max_window_bits=a",
        "server_no_context_takeover=1",
        "client_no_context_takeover=\"true\"",
        "server_no_context_takeover; server_no_context_takeover",
        "client_max_window_bits; client_max_window_bits=9",
        "server_max_window_bits=9; server_max_window_bits=9",
        "unknown",
        "unknown=8",
        "Server_no_context_takeover",
        "server_no_context_takeoverx",
        "server_no_context",
        "",
        ";",
        "=8",
        "a b",
    ] {
        let offer = format!("permessage-deflate; {parameters}");
        assert_eq!(answer(LARGE, &[&offer]), None, "{offer}");
        assert!(judged(Offer::default(), &[&offer]).is_err(), "{offer}");
    }
    for offer in [
        "permessage-deflate=1",
        "permessage",
        "permessage-deflates",
        "permessage-deflate foo",
    ] {
        assert_eq!(answer(LARGE, &[offer]), None, "{offer}");
    }
    // The next offer of the list is looked at.
    let offers = "permessage-deflate; unknown, permessage-deflate";
    assert_eq!(
        answer(LARGE, &[offers]).as_deref(),
        Some("permessage-deflate")
    );
}

#[test]
fn offers_are_written() {
    let write = |offer: Offer| offer.write(&mut [0; MAX_OFFER]).expect("fits").to_owned();
    assert_eq!(
        write(Offer::default()),
        "permessage-deflate; client_max_window_bits"
    );
    let all = Offer {
        server_no_context_takeover: true,
        client_no_context_takeover: true,
        server_max_window_bits: Some(10),
        client_max_window_bits: Some(11),
    };
    assert_eq!(
        write(all),
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
         server_max_window_bits=10; client_max_window_bits=11"
    );
    assert_eq!(write(all).len(), MAX_OFFER);
    assert_eq!(all.write(&mut [0; MAX_OFFER - 1]), None);
}

#[test]
fn both_roles_understand_each_other() {
    let bits = [None, Some(8), Some(9), Some(12), Some(15)];
    let flags = [false, true];
    for (server_bits, client_bits) in bits.iter().flat_map(|a| bits.map(|b| (*a, b))) {
        for (server, client) in flags.iter().flat_map(|a| flags.map(|b| (*a, b))) {
            let offer = Offer {
                server_no_context_takeover: server,
                client_no_context_takeover: client,
                server_max_window_bits: server_bits,
                client_max_window_bits: client_bits,
            };
            let mut buffer = [0; MAX_OFFER];
            let written = offer.write(&mut buffer).expect("fits");
            for rules in [LARGE, SMALL] {
                let answer = answer(rules, &[written]).expect("can be met");
                let mut reader = OfferReader::new(rules);
                reader.value(written.as_bytes());
                reader.header_end();
                let theirs = reader.agreed().expect("can be met");
                let ours = judged(offer, &[&answer]).expect("valid").expect("agreed");
                assert_eq!(
                    (ours.server, ours.client.takeover),
                    (theirs.server, theirs.client.takeover)
                );
                assert!(ours.client.window_bits <= theirs.client.window_bits);
                assert!(theirs.client.window_bits <= rules.client.window_bits);
                assert!(theirs.server.window_bits <= server_bits.unwrap_or(15));
            }
        }
    }
}

#[test]
fn answers_are_judged() {
    let plain = Offer::default();
    assert_eq!(judged(plain, &[]), Ok(None));
    let demanding = Offer {
        server_no_context_takeover: true,
        server_max_window_bits: Some(10),
        client_max_window_bits: Some(10),
        ..plain
    };
    let full = "permessage-deflate; server_no_context_takeover; server_max_window_bits=9; \
                client_max_window_bits=8; client_no_context_takeover";
    let agreed = judged(demanding, &[full]).expect("valid").expect("agreed");
    assert_eq!(
        (agreed.client, agreed.server),
        (side(false, 8), side(false, 9))
    );
    // What a server may say without having been asked.
    let agreed = judged(plain, &[full]).expect("valid").expect("agreed");
    assert_eq!(
        (agreed.client, agreed.server),
        (side(false, 8), side(false, 9))
    );
    for (answer, error) in [
        ("permessage-deflate", NegotiationError::Mismatch),
        (
            "permessage-deflate; server_no_context_takeover",
            NegotiationError::Mismatch,
        ),
        (
            "permessage-deflate; server_max_window_bits=10",
            NegotiationError::Mismatch,
        ),
        (
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=11",
            NegotiationError::Mismatch,
        ),
        (
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=10; \
             client_max_window_bits=11",
            NegotiationError::Mismatch,
        ),
        (
            "permessage-deflate; client_max_window_bits",
            NegotiationError::Parameter,
        ),
        ("permessage-deflate; foo", NegotiationError::Parameter),
        ("foo", NegotiationError::Extension),
        ("permessage-deflate;", NegotiationError::Malformed),
        ("", NegotiationError::Malformed),
        (",", NegotiationError::Malformed),
    ] {
        assert_eq!(judged(demanding, &[answer]), Err(error), "{answer}");
    }
    for headers in [
        &["permessage-deflate, permessage-deflate"][..],
        &["permessage-deflate", "permessage-deflate"],
        &["permessage-deflate, foo"],
        &["foo, permessage-deflate"],
    ] {
        assert_eq!(judged(plain, headers), Err(NegotiationError::Extension));
    }
}
