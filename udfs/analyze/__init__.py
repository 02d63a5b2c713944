"""From an incident to its analysis: find similar documents, ask an analyst, check the answer."""
