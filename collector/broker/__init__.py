"""The MQTT broker between gateways and collector: its files, and who may connect there (docs/decisions/0040)."""
