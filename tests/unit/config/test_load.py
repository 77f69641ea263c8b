"""The configuration folder: its settings, its mistakes, and the safety of keys."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from cirrus_bridge.base.errors import BadConfiguration, CirrusError, ExposedKey, UnknownServer
from cirrus_bridge.config.load import load
from cirrus_bridge.config.queue_uri import parse_queue_uri
from cirrus_bridge.config.toml import unreadable

SERVER = '[[server]]\nhost = "cp.example.com"\ncompany = "Acme"\napi_key = "k3y"\n'
LOCAL = '[[server]]\nhost = "localhost"\napi_key = "k3y"\n'


def _folder(tmp_path: Path, *, bridge: str | None = None, server: str = SERVER) -> Path:
    if bridge is not None:
        (tmp_path / "bridge.toml").write_text(bridge)
    (tmp_path / "servers.d").mkdir()
    file = tmp_path / "servers.d/acme.toml"
    file.write_text(server)
    file.chmod(0o600)
    return tmp_path


def test_defaults_without_bridge_toml(tmp_path: Path) -> None:
    """bridge.toml may be absent."""
    configuration = load(_folder(tmp_path))
    assert configuration.defaults.wait == "delivered"
    assert configuration.servers[0].locations == ()


def test_everything_that_can_be_said(tmp_path: Path) -> None:
    """All documented settings are read."""
    (tmp_path / "key").write_text("k3y\n")
    (tmp_path / "key").chmod(0o600)
    folder = _folder(
        tmp_path,
        bridge='[defaults]\nwait = "received"\nwaittimeout = 5\ncompression = 9\n'
        'identify = ["user", "queue"]\n'
        "[upload]\nsegment_bytes = 65536\nconnect_timeout_s = 3\nread_timeout_s = 2.5\n",
        server='[[server]]\nhost = "CP.example.com:8443"\napi_key_file = "../key"\n'
        'locations = ["Paris"]\nproxy = "http://proxy:3128"\nallow_plaintext = true\n',
    )
    configuration = load(folder)
    (server,) = configuration.servers
    assert (server.name, server.company) == ("cp.example.com:8443", None)
    assert (server.api_key.reveal(), server.locations) == ("k3y", ("Paris",))
    assert (server.proxy, server.allow_plaintext) == ("http://proxy:3128", True)
    assert (configuration.defaults.wait, configuration.defaults.level) == ("received", 9)
    assert configuration.identify == ("user", "queue")
    assert configuration.upload.segment_bytes == 65536
    assert configuration.upload.connect_timeout_s == 3.0


@pytest.mark.parametrize("value", ["true", "false", '"always"'])
def test_a_removed_setting_is_no_error(tmp_path: Path, value: str) -> None:
    """A setting of an earlier version, with any value, stops no queue and is reported."""
    bridge = f"[statusd]\nnotify = {value}\nmetrics_port = 9\n"
    configuration = load(_folder(tmp_path, bridge=bridge))
    assert configuration.removed == ("notify",)
    assert configuration.poller.metrics_port == 9
    (tmp_path / "bridge.toml").write_text("")
    assert load(tmp_path).removed == ()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_exposed_key(tmp_path: Path, mode: int) -> None:
    """A file with a key that other users can read is refused, with the command to correct that."""
    folder = _folder(tmp_path)
    (folder / "servers.d/acme.toml").chmod(mode)
    with pytest.raises(ExposedKey, match="chmod 600") as caught:
        load(folder)
    assert "cupsenable the queue" in caught.value.afterwards


def test_exposed_key_file(tmp_path: Path) -> None:
    """The file that api_key_file names must be private as well."""
    (tmp_path / "key").write_text("k3y")
    (tmp_path / "key").chmod(0o644)
    folder = _folder(tmp_path, server='[[server]]\nhost = "h"\napi_key_file = "../key"\n')
    with pytest.raises(ExposedKey, match="key"):
        load(folder)


@pytest.mark.parametrize(
    ("bridge", "server", "says"),
    [
        (
            "[default]\n",
            SERVER,
            "unknown name 'default' (known: defaults, upload, statusd, journal, printers)",
        ),
        ("[defaults]\nwiat = 1\n", SERVER, "unknown option 'wiat'"),
        (
            '[defaults]\nidentify = ["mother"]\n',
            SERVER,
            "identify must be a list of user, host, queue",
        ),
        ("[defaults]\nidentify = [[]]\n", SERVER, "identify must be a list of user, host, queue"),
        ('[defaults]\nwait = "never"\n', SERVER, "submitted, received, delivered"),
        ("[defaults]\nwait = 1.5\n", SERVER, "must be a text or a number"),
        ("[upload]\nsegment_bytes = 1\n", SERVER, "from 1024"),
        ("[upload]\nconnections = 0\n", SERVER, "from 1 to 32"),
        (
            "[upload]\nconnect_timeout_s = 0\n",
            SERVER,
            "'connect_timeout_s' must be from 0.001 to 3600",
        ),
        ("[upload]\nread_timeout_s = nan\n", SERVER, "'read_timeout_s' must be from 0.001 to 3600"),
        ("[upload]\nspeed = 1\n", SERVER, "[upload]: unknown name 'speed' (known: connections,"),
        ('[upload]\nsegment_bytes = "1"\n', SERVER, "'segment_bytes' must be a whole number"),
        ("[[upload]]\nconnections = 1\n", SERVER, "write [upload], in single brackets"),
        ("[upload\n", SERVER, "not TOML"),
        (
            "[statusd]\nrequests_per_minute = 1\n",
            SERVER,
            "[statusd]: 'requests_per_minute' must be from 2",
        ),
        ("[statusd]\nmetrics_port = 65536\n", SERVER, "'metrics_port' must be from 0 to 65535"),
        ("[statusd]\nhook = [1]\n", SERVER, "[statusd]: 'hook' must be a command"),
        (
            "[statusd]\nunknown_after_s = -1\n",
            SERVER,
            "[statusd]: 'unknown_after_s' must be 0 or more",
        ),
        ("[journal]\nkeep_days = -1\n", SERVER, "[journal]: 'keep_days' must be 0 or more"),
        ("", "[server]\nhost = 'h'\n", "write [[server]], in double brackets"),
        ("", "server = ['h']\n", "write [[server]], in double brackets"),
        ("", "host = 'h'\napi_key = 'k'\n", "'host' stands above the first entry"),
        ("", "[[sever]]\nhost = 'h'\n", "unknown name 'sever' (known: server)"),
        ("", '[[server]]\napi_key = "k"\n', "'host' is missing"),
        ("", SERVER + '[[server]]\napi_key = "k"\n', "[[server]] number 2: 'host' is missing"),
        ("", '[[server]]\nhost = "h/x"\napi_key = "k"\n', "not a host name"),
        ("", '[[server]]\nhost = 1\napi_key = "k"\n', "'host' must be a text in quotes"),
        ("", SERVER + "connections = 33\n", "from 1 to 32"),
        ("", SERVER + 'connections = "2"\n', "'connections' must be"),
        ("", SERVER + 'encryption = "maybe"\n', "'encryption' must be one of required, never"),
        ("", SERVER + 'encryption = "never"\n', "leaves this machine: remove it, or set allow_pl"),
        (
            "",
            LOCAL + 'encryption = "never"\nproxy = "http://proxy:3128"\n',
            "what is sent to localhost leaves this machine",
        ),
        ("", '[[server]]\nhost = "h"\n', "the key is missing: add api_key, or api_key_file"),
        ("", '[[server]]\nhost = "h"\napikey = "k"\n', "unknown name 'apikey' (known: host,"),
        ("", '[[server]]\nhots = "h"\napi_key = "k"\n', "unknown name 'hots' (known: host,"),
        ("", SERVER + 'api_key_file = "f"\n', "are both set; remove one of them"),
        ("", '[[server]]\nhost = "h"\napi_key = " "\n', "api_key is empty"),
        ("", '[[server]]\nhost = "h"\napi_key = "k y"\n', "api_key contains spaces"),
        ("", '[[server]]\nhost = "h"\napi_key_file = ""\n', "api_key_file is empty"),
        ("", '[[server]]\nhost = "h"\napi_key_file = "k"\n', "No such file or directory"),
        ("", '[[server]]\nhost = "h"\napi_key = "k"\ncolour = 1\n', "unknown name 'colour'"),
        ("", '[[server]]\nhost = "h"\napi_key = "k"\nca_file = "/no/such"\n', "ca_file"),
        ("", SERVER + 'locations = "Paris"\n', "'locations' must be a list, such as [\"Paris\""),
        ("", SERVER + 'locations = ["a:b"]\n', "company or location must not contain"),
        ("", SERVER + "locations = [[1]]\n", "a text or a number"),
        ("", SERVER + SERVER, "two entries"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, bridge: str, server: str, says: str) -> None:
    """A mistake raises one error, which names the file and the mistake but no key."""
    with pytest.raises(BadConfiguration) as caught:
        load(_folder(tmp_path, bridge=bridge, server=server))
    assert says in str(caught.value)
    assert ".toml" in str(caught.value) or "servers.d" in str(caught.value)
    assert "k3y" not in str(caught.value)


@pytest.mark.parametrize(
    "key", ["k3y+/=", "/k3y", "k3y/k3y", "k3y k3y", "k3y=" * 100, "k3y\\u0000"]
)
@pytest.mark.parametrize("name", ["host", "api_key_file"])
def test_a_key_in_a_wrong_place_is_not_repeated(tmp_path: Path, name: str, key: str) -> None:
    """Every user can read the message, so a misplaced key is not in it."""
    entry = {"host": "cp.example.com", name: key}
    lines = [f'{field} = "{value}"\n' for field, value in entry.items()]
    with pytest.raises(BadConfiguration, match=f"{name}.* value is not shown") as caught:
        load(_folder(tmp_path, server="[[server]]\n" + "".join(lines)))
    assert "k3y" not in str(caught.value) + caught.value.detail


@pytest.mark.parametrize("proxy", ["k3y", "http://u:k3y@h:port", "ftp://u:k3y@h", "http://u:k3y@"])
def test_a_password_of_a_wrong_proxy_is_not_repeated(tmp_path: Path, proxy: str) -> None:
    """A proxy's URL may contain a password, so an invalid URL is not shown."""
    server = f'[[server]]\nhost = "h"\napi_key = "k"\nproxy = "{proxy}"\n'
    with pytest.raises(BadConfiguration, match="'proxy' is not of the form") as caught:
        load(_folder(tmp_path, server=server))
    assert "k3y" not in str(caught.value)


def test_server_for_a_queue(tmp_path: Path) -> None:
    """Host and company choose the entry; an entry without a company serves all others."""
    folder = _folder(
        tmp_path, server=SERVER + '[[server]]\nhost = "cp.example.com:443"\napi_key = "any"\n'
    )
    configuration = load(folder)
    acme = configuration.server_for(parse_queue_uri("cirrus://cp.example.com/Acme/L:D"))
    other = configuration.server_for(parse_queue_uri("cirrus://cp.example.com/Other/L:D"))
    assert (acme.api_key.reveal(), other.api_key.reveal()) == ("k3y", "any")


@pytest.mark.parametrize(
    ("entry", "uri", "wanted"),
    [
        ("", "", "never"),
        ('encryption = "required"\n', "", "required"),
        ('encryption = "required"\n', "?encryption=never", "never"),
        ('encryption = "never"\n', "?encryption=required", "required"),
    ],
)
def test_whether_a_queue_is_encrypted(tmp_path: Path, entry: str, uri: str, wanted: str) -> None:
    """The URI decides, or else the server's entry, or else [defaults]."""
    bridge = '[defaults]\nencryption = "never"\nwait = "received"\n'
    configuration = load(_folder(tmp_path, bridge=bridge, server=LOCAL + entry))
    queue = configuration.queue(f"cirrus://localhost/Acme/L:D{uri}")
    assert (queue.settings.encryption, queue.settings.wait) == (wanted, "received")


@pytest.mark.parametrize(("entry", "wanted"), [("", 3), ("connections = 1\n", 1)])
def test_how_many_connections(tmp_path: Path, entry: str, wanted: int) -> None:
    """The server's entry goes before `[upload]`, whose other settings stay."""
    bridge = "[upload]\nconnections = 3\nsegment_bytes = 2048\n"
    configuration = load(_folder(tmp_path, bridge=bridge, server=SERVER + entry))
    settings = configuration.upload_to(configuration.queue("cirrus://cp.example.com/Acme/L:D"))
    assert (settings.connections, settings.segment_bytes) == (wanted, 2048)


def test_an_entry_may_do_without_encryption(tmp_path: Path) -> None:
    """encryption=never is allowed on this machine, or with allow_plaintext."""
    entry = SERVER + 'allow_plaintext = true\nencryption = "never"\n'
    configuration = load(_folder(tmp_path, server=entry + LOCAL + 'encryption = "never"\n'))
    assert list(map(configuration.encryption_of, configuration.servers)) == ["never", "never"]
    assert configuration.queue("cirrus://h2/Acme/L:D").settings.encryption == "required"


@pytest.mark.parametrize("uri", ["cirrus://cp.example.com/Other/L:D", "cirrus://h2/Acme/L:D"])
def test_no_server_for_a_queue(tmp_path: Path, uri: str) -> None:
    """A key is never used for another company or host than its own."""
    with pytest.raises(UnknownServer, match=r"servers\.d"):
        load(_folder(tmp_path)).server_for(parse_queue_uri(uri))


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("cp.example.com", "cp.example.com"),
        ("CP.Example.com:443", "cp.example.com"),
        ("\\u0063p.example.com", "cp.example.com"),
        ("[::1]:8443", "[::1]:8443"),
    ],
)
def test_only_one_server(tmp_path: Path, host: str, name: str) -> None:
    """The entries of one server are loaded, and mistakes in other files are not found."""
    folder = _folder(tmp_path, server=SERVER.replace("cp.example.com", host))
    with (folder / "servers.d" / "acme.toml").open("a") as file:
        file.write('[[server]]\nhost = "other"\napi_key_file = "missing"\n')
    for number, content in enumerate(("[[server", '[[server]]\nhost = "x"\nodd = 1\n')):
        other = folder / "servers.d" / f"{number}.toml"
        other.write_text(content)
        other.chmod(0o666)
    (server,) = load(folder, server=name).servers
    assert (server.name, server.api_key.reveal()) == (name, "k3y")
    with pytest.raises(CirrusError):
        load(folder)


@pytest.mark.parametrize(
    ("text", "mode", "error"),
    [(SERVER, 0o644, ExposedKey), (SERVER + "odd = 1\n", 0o600, BadConfiguration)],
)
def test_mistakes_about_the_one_server(
    tmp_path: Path, text: str, mode: int, error: type[CirrusError]
) -> None:
    """Mistakes in the server's own file are found."""
    folder = _folder(tmp_path, server=text)
    (folder / "servers.d" / "acme.toml").chmod(mode)
    with pytest.raises(error):
        load(folder, server="cp.example.com")


def test_keys_do_not_show(tmp_path: Path) -> None:
    """No repr of the configuration shows a key."""
    assert "k3y" not in repr(load(_folder(tmp_path)))


def test_missing_folder_is_no_server(tmp_path: Path) -> None:
    """A missing folder means that no server is configured."""
    configuration = load(tmp_path / "none")
    with pytest.raises(CirrusError, match="No \\[\\[server\\]\\] entry"):
        configuration.server_for(parse_queue_uri("cirrus://h/C/L:D"))


def test_a_file_that_only_root_can_read() -> None:
    """Neither the file nor its rights are wrong: who runs cirrusctl has to be root."""
    error = unreadable(Path("servers.d"), PermissionError(errno.EACCES, "Permission denied"))
    assert "Permission denied" in str(error)
    assert "Run cirrusctl as root." in error.hint and "Correct the file" not in error.hint
