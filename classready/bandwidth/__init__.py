"""The threshold bandwidth test: is this line at least theta? Method, wire format and limits: docs/bandwidth.md."""
