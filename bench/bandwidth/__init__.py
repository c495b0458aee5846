"""How right and how cheap the threshold bandwidth test is, beside iperf3 on the same lines. See docs/bandwidth.md."""
