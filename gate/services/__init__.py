"""What can be done to a network: operations, a module a noun. Each is one transaction and authorizes inside it."""
