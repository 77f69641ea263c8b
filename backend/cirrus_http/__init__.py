"""An HTTP server with limits: uvicorn, for clients that are not trusted."""
