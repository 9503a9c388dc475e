"""`halfhour`: a small command-line client of the REST API. Standard library only, and nothing of the server's code."""
