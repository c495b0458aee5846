"""The bureau: what schools tell, grouped into incidents, and what each office is told of them, and when."""
