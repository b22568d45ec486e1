"""The conformance guest (tests/controllers/conformance) in every language, and what builds them."""
