"""A made-up company's logs: ten services, its ordinary days and its failures. The same seed tells the same story."""
