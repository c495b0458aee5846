"""Makes what a box is installed from: one folder that needs no network, and a .tar.gz of it for a USB stick."""
