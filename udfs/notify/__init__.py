"""Alerts to people: the outbox, the ledger, the messages and the way to Slack."""
