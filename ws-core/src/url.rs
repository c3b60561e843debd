//! ws:// and wss:// URLs (RFC 6455 section 3).
