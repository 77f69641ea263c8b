"""OpenID Connect with one identity provider: the authorization code flow with PKCE.

The provider's metadata and keys are kept for an hour. Messages of errors have no code, token or
secret. joserfc checks signatures and claims; it is imported at the first sign-in.
"""

from __future__ import annotations

import base64
import hashlib
import json
import ssl
import threading
import time
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import (
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    build_opener,
)

from cirrus_cloudlet.identity.settings import ADMIN, USER, Provider, is_loopback, is_safe

_TIMEOUT_S = 10.0
_RESPONSE_BYTES = 1024 * 1024
_KEPT_S = 3600.0
_LEEWAY_S = 60
# signatures by a key pair: with a shared secret, a client could sign for the provider
_ALGORITHMS = [
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
]
_KEY_TYPES = ("RSA", "EC", "OKP")
_CLAIM_CHARACTERS = 255  # of the subject (OpenID Connect Core, section 2), and of a user name


class ProviderSilent(Exception):
    """The provider cannot be reached, or does not work."""


class ProviderRefusal(Exception):
    """The provider did not confirm the sign-in, or its confirmation is not valid."""


class Person(NamedTuple):
    """What a provider says about a person.

    Attributes:
        subject: the person's id at the provider, which never changes.
        user: the user name by which the person prints; empty if the provider does not tell.
        role: `user` or `admin`; None if the person may not use the page.
    """

    subject: str
    user: str
    role: str | None


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *args: object) -> None:
        return None  # the secret and the code are for one address only


class OpenId:
    """The client of one provider."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, dict[str, Any]]] = {}

    @property
    def redirect_uri(self) -> str:
        return f"{self.provider.address}/sign-in/done/{quote(self.provider.company, safe='')}"

    def authorization_url(self, state: str, nonce: str, verifier: str) -> str:
        """The provider's page on which a person signs in.

        Raises:
            ProviderSilent, ProviderRefusal: the provider does not describe itself correctly.
        """
        challenge = hashlib.sha256(verifier.encode()).digest()
        query = urlencode(
            {
                "response_type": "code",
                "client_id": self.provider.client_id,
                "redirect_uri": self.redirect_uri,
                "scope": " ".join(self.provider.scopes),
                "state": state,
                "nonce": nonce,
                "code_challenge": base64.urlsafe_b64encode(challenge).rstrip(b"=").decode(),
                "code_challenge_method": "S256",
            }
        )
        page = self._endpoint("authorization_endpoint")
        return f"{page}{'&' if '?' in page else '?'}{query}"

    def find_person(self, code: str, verifier: str, nonce: str) -> Person:
        """Exchange a code for what the provider says about the person.

        Raises:
            ProviderSilent: the provider cannot be reached.
            ProviderRefusal: the code or the provider's answer is not valid.
        """
        tokens = self._request_tokens(code, verifier)
        claims = self._check(str(tokens.get("id_token", "")), nonce)
        wanted = [name for name in (self.provider.user_claim, self.provider.role_claim) if name]
        if any(_claim(claims, name) is None for name in wanted):
            claims = {**self._user_info(claims, tokens), **claims}
        user = _claim(claims, self.provider.user_claim)
        is_name = isinstance(user, str) and user.isprintable() and len(user) <= _CLAIM_CHARACTERS
        return Person(claims["sub"], str(user) if is_name else "", self._role(claims))

    def _role(self, claims: Mapping[str, Any]) -> str | None:
        if not self.provider.role_claim:
            return USER
        found = _claim(claims, self.provider.role_claim)
        values = found if isinstance(found, list) else [found]
        roles = {self.provider.roles.get(each) for each in values if isinstance(each, str)}
        return next((role for role in (ADMIN, USER) if role in roles), None)

    def _request_tokens(self, code: str, verifier: str) -> dict[str, Any]:
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": verifier,
        }
        headers = {}
        name, secret = self.provider.client_id, self.provider.client_secret
        methods = self._metadata().get(
            "token_endpoint_auth_methods_supported", ["client_secret_basic"]
        )
        if secret and "client_secret_basic" in methods:
            # RFC 6749, section 2.3.1: both are encoded as in a form
            pair = f"{quote(name, safe='')}:{quote(secret, safe='')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            fields |= {"client_id": name} | ({"client_secret": secret} if secret else {})
        return self._ask(self._endpoint("token_endpoint"), urlencode(fields).encode(), headers)

    def _user_info(self, claims: Mapping[str, Any], tokens: Mapping[str, Any]) -> Mapping[str, Any]:
        if "userinfo_endpoint" not in self._metadata() or "access_token" not in tokens:
            return {}
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        found = self._ask(self._endpoint("userinfo_endpoint"), None, headers)
        if found.get("sub") != claims["sub"]:  # OpenID Connect Core, section 5.3.2
            raise ProviderRefusal("the user info is about another person")
        return found

    def _check(self, token: str, nonce: str) -> dict[str, Any]:
        """Return the claims of an ID token (OpenID Connect Core, section 3.1.3.7)."""
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        name = self.provider.client_id
        registry = jwt.JWTClaimsRegistry(
            leeway=_LEEWAY_S,
            iss={"essential": True, "value": self.provider.issuer},
            aud={"essential": True, "value": name},
            nonce={"essential": True, "value": nonce},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
        )
        try:
            keys = KeySet.import_key_set({"keys": self._keys(_key_id(token))})
            claims = dict(jwt.decode(token, keys, algorithms=_ALGORITHMS).claims)
            registry.validate(claims)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise ProviderRefusal(f"the ID token is not valid ({type(error).__name__})") from error
        audience = claims["aud"]
        several = isinstance(audience, list) and len(audience) > 1
        if claims.get("azp", None if several else name) != name:
            raise ProviderRefusal("the ID token is for another program")
        subject = claims["sub"]
        if not isinstance(subject, str) or not 0 < len(subject) <= _CLAIM_CHARACTERS:
            raise ProviderRefusal("the ID token has no proper subject")
        return claims

    def _keys(self, wanted: str | None) -> list[dict[str, Any]]:
        """The provider's keys; those with the id `wanted`, if there are any."""
        url = self._endpoint("jwks_uri")
        found: list[dict[str, Any]] = []
        for is_fresh in (False, True):  # a provider may have begun to use another key
            listed = self._get(url, is_fresh=is_fresh).get("keys")
            usable = [
                each
                for each in (listed if isinstance(listed, list) else [])
                if isinstance(each, dict)
                and each.get("kty") in _KEY_TYPES
                and each.get("use", "sig") == "sig"
            ]
            found = [each for each in usable if wanted is None or each.get("kid") == wanted]
            if found:
                break
        if not found:
            raise ProviderRefusal("the ID token is signed with an unknown key")
        if len(found) > 1:
            raise ProviderRefusal("the ID token does not say with which key it is signed")
        return found

    def _metadata(self) -> dict[str, Any]:
        """What the provider says about itself (OpenID Connect Discovery)."""
        issuer = self.provider.issuer
        found = self._get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if found.get("issuer") != issuer:
            raise ProviderRefusal("the provider calls itself by another name than issuer")
        return found

    def _endpoint(self, name: str) -> str:
        url = self._metadata().get(name)
        if not isinstance(url, str) or not is_safe(url):
            raise ProviderRefusal(f"the provider has no proper {name}")
        return url

    def _get(self, url: str, *, is_fresh: bool = False) -> dict[str, Any]:
        """Request a document, unless it was requested during the last hour."""
        with self._lock:
            asked, found = self._kept.get(url, (-_KEPT_S, {}))
        if is_fresh or time.monotonic() - asked >= _KEPT_S:
            found = self._ask(url)
            with self._lock:
                self._kept[url] = (time.monotonic(), found)
        return found

    def _ask(
        self, url: str, form: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        sent = {"Accept": "application/json", **(headers or {})}
        request = Request(url, form, sent)  # noqa: S310 - is_safe has checked the scheme
        try:
            opener = _opener(self.provider, url)
            with opener.open(request, timeout=_TIMEOUT_S) as response:
                body = response.read(_RESPONSE_BYTES + 1)
        except HTTPError as error:
            error.close()
            kind = ProviderSilent if error.code >= 500 else ProviderRefusal
            raise kind(f"the provider answered with status {error.code}") from None
        except (OSError, HTTPException) as error:
            raise ProviderSilent(f"the provider cannot be reached ({error})") from error
        try:
            found = json.loads(body) if len(body) <= _RESPONSE_BYTES else None
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise ProviderRefusal("the provider's answer is not a JSON object")
        return found


def _opener(provider: Provider, url: str) -> OpenerDirector:
    handlers: list[Any] = [
        _NoRedirects(),
        HTTPSHandler(context=ssl.create_default_context(cafile=provider.ca_file)),
    ]
    if is_loopback(urlsplit(url).hostname or ""):  # which is another one for a proxy
        handlers.append(ProxyHandler({}))
    return build_opener(*handlers)


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name, or by its path, such as `realm_access.roles`."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(part)
    return found


def _key_id(token: str) -> str | None:
    """The id of the key that has signed a token; not checked yet."""
    head = token.partition(".")[0]
    found = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    key_id = found.get("kid") if isinstance(found, dict) else None
    return key_id if isinstance(key_id, str) else None
