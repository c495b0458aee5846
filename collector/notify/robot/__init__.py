"""What all chat robots have in common: how much they take, how they are asked, what their answers mean."""
