"""What the fault runs share: the server under test, an HTTP client, an SMTP sink, assertions."""
