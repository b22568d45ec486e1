"""`netfabric`: the host extension by which controllers make the interfaces of virtual networks on their node."""
