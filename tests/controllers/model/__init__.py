"""The protocols of the network as small models, explored state by state.

`search.py` explores; `addresses.py` is how attachments get addresses, `subnets.py` how Subnets are examined. Both have
switches for mistakes that are known to break the protocol: the search has to find each.
"""
