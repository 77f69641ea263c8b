"""The API client for each queue, as the configuration allows."""

from __future__ import annotations

from cirrus_bridge.api.client import CloudApi
from cirrus_bridge.base.errors import BadConfiguration
from cirrus_bridge.base.translation import tr
from cirrus_bridge.config.load import Configuration, UploadSettings
from cirrus_bridge.config.queue_uri import QueueUri
from cirrus_bridge.config.servers import Server


class CloudApis:
    """The API clients of one configuration. All queues of a server and company share a client, and
    so its connections."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._made: dict[tuple[str, str, bool], CloudApi] = {}

    def of(self, queue: QueueUri) -> CloudApi:
        """The API client for a queue.

        Raises:
            UnknownServer: servers.d has no entry for the queue's server.
            BadConfiguration: the queue asks for plain text, which is not allowed.
        """
        server = self._configuration.server_for(queue)
        plain = queue.settings.encryption == "never"
        if plain and not server.may_be_plain:
            raise BadConfiguration(
                tr(
                    "The queue has encryption=never, but data sent to {server} leaves this "
                    "machine.",
                    server=queue.server,
                ),
                tr(
                    "Remove encryption=never from the queue's URI, or set allow_plaintext = "
                    "true in the server's entry."
                ),
            )
        name = (queue.server, queue.company, plain)
        if name not in self._made:
            timeouts = self._configuration.upload
            self._made[name] = CloudApi(server, queue.company, https=not plain, timeouts=timeouts)
        return self._made[name]


def api_for(configuration: Configuration, server: Server, timeouts: UploadSettings) -> CloudApi:
    """The API client for requests about a server itself, without a queue."""
    https = uses_tls(configuration, server)
    return CloudApi(server, server.company or "", https=https, timeouts=timeouts)


def uses_tls(configuration: Configuration, server: Server) -> bool:
    """Whether requests about a server itself go by TLS."""
    # encryption=never in [defaults] may be meant for this machine; no key leaves it in plain text
    return configuration.encryption_of(server) != "never" or not server.may_be_plain
