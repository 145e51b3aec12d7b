"""A simulator of serving: the same policies as the server, on machines that are not at hand."""
