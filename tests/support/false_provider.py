"""An identity provider in the test's process, which may lie: its answers are the test's own.

It checks what a provider checks: the client's secret, the code (once) and the PKCE verifier.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, parse_qsl, urlsplit

from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

CLIENT, SECRET = "cirrus", "a secret: of the client"


class FalseProvider:
    """A context manager; change `metadata`, `claims` or `key` to lie.

    Attributes:
        claims: replace or remove (None) claims of the next ID tokens.
        user_info: the answer about the person.
        keys: published; `key` signs.
    """

    def __init__(self) -> None:
        self.key: RSAKey | OctKey = RSAKey.generate_key(2048, {"kid": "1", "use": "sig"})
        self.keys: list[dict[str, Any]] = [dict(self.key.as_dict(private=False))]
        self.algorithm = "RS256"
        self.claims: dict[str, Any] = {}
        self.user_info: dict[str, Any] = {}
        self.metadata: dict[str, Any] = {}
        self.asked: list[str] = []
        self._codes: dict[str, dict[str, str]] = {}
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                """Answer a request for a document."""
                provider.asked.append(self.path)
                documents = {
                    "/.well-known/openid-configuration": provider._describe(),
                    "/keys": {"keys": provider.keys},
                    "/user": provider.user_info,
                }
                self._send(200 if self.path in documents else 404, documents.get(self.path, {}))

            def do_POST(self) -> None:
                """Answer the request for tokens."""
                provider.asked.append(self.path)
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                sent = dict(parse_qsl(body))
                self._send(*provider._tokens(sent, self.headers.get("authorization", "")))

            def _send(self, status: int, document: object) -> None:
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Log nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def agree(self, location: str) -> dict[str, str]:
        """What the provider adds to the redirect URI after a person has signed in at `location`."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
        assert query["response_type"] == "code" and query["code_challenge_method"] == "S256"
        code = f"code-{len(self._codes)}"
        self._codes[code] = query
        return {"code": code, "state": query["state"]}

    def _describe(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/user",
            "jwks_uri": f"{self.url}/keys",
        } | self.metadata

    def _tokens(self, sent: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        query = self._codes.pop(sent.get("code", ""), None)
        secret = base64.b64encode(f"{CLIENT}:a%20secret%3A%20of%20the%20client".encode()).decode()
        if query is None or authorization != f"Basic {secret}":
            return 400, {"error": "invalid_grant"}
        digest = hashlib.sha256(sent["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if challenge != query["code_challenge"] or sent["redirect_uri"] != query["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {
            "iss": self.url, "aud": CLIENT, "sub": "person-1", "nonce": query["nonce"],
            "iat": now, "exp": now + 60, "preferred_username": "otto", "groups": ["users"],
        } | self.claims  # fmt: skip
        claims = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": self.algorithm, "kid": str(self.key.as_dict(private=False).get("kid"))}
        token = jwt.encode(header, claims, self.key, algorithms=[self.algorithm])
        return 200, {"id_token": token, "access_token": "access", "token_type": "Bearer"}
