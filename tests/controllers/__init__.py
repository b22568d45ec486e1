"""Tests of controllers as modules: `edged/controllers`, what is in `modules/controllers`, the network made of them."""
