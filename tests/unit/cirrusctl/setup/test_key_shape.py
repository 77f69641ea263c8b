"""The shape of API keys."""

from __future__ import annotations

import random
import string

import pytest

from cirrus_bridge.cirrusctl.setup.key_shape import looks_like_key

KEYS = [
    ("base64", string.ascii_letters + string.digits + "-_", 43),
    ("hexadecimal", "0123456789abcdef", 32),
    ("letters and digits", string.ascii_lowercase + string.digits, 40),
    ("letters", string.ascii_lowercase, 64),
]


@pytest.mark.parametrize(("alphabet", "length"), [case[1:] for case in KEYS])
def test_keys(alphabet: str, length: int) -> None:
    """Random texts of usual alphabets and lengths look like keys."""
    chance = random.Random(7)
    keys = ["".join(chance.choices(alphabet, k=length)) for _ in range(2000)]
    assert [key for key in keys if not looks_like_key(key)] == []


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "y",
            "yes",
            "Acme",
            "Paris",
            "1, 2, 5",
            "all",
            "127.0.0.1:27082",
            "[2001:db8::1]:443",
        ),
        "print-server-2.office.munich.example.com:8443",
        "ec2-18-184-12-7.eu-central-1.compute.amazonaws.com",
        "k8s-prod-a1b2c3d4e5f6a7b8-1234567890.elb.eu-west-1.amazonaws.com",
        "Paris-Laser-Ground-Floor-Room-217",
        "Acme_Printing_Services_International_GmbH",
        "HP_LaserJet_M402dn_A1B2C3",
        "/etc/ssl/certs/company-authority-2026.pem",
        "3f2504e0-4f89-11d3-9a0c-0305e82c3301",  # ids may be UUIDs
        "Donaudampfschifffahrt-Druckerei",
        "a long answer of several words that nobody can mistake for a key",
    ],
)
def test_other_answers(text: str) -> None:
    """Hosts, names, ids and paths do not look like keys."""
    assert not looks_like_key(text)
