"""Policies built with Kubewarden's Rust SDK, and what builds them."""
