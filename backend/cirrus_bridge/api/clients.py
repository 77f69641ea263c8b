"""The API of each queue's server, as the configuration has it: who may be talked to, and how."""

from __future__ import annotations

from cirrus_bridge.api.client import CloudApi
from cirrus_bridge.base.errors import BadConfiguration
from cirrus_bridge.base.translation import tr
from cirrus_bridge.config.load import Configuration, UploadSettings
from cirrus_bridge.config.queue_uri import QueueUri
from cirrus_bridge.config.servers import Server


class CloudApis:
    """The APIs of one configuration, each made when it is first asked for: one pool of
    connections for all queues of a server's company."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._made: dict[tuple[str, str, bool], CloudApi] = {}

    def of(self, queue: QueueUri) -> CloudApi:
        """The API for a queue.

        Raises:
            UnknownServer: there is no entry for it.
            BadConfiguration: it asks for plain text where none is allowed.
        """
        server = self._configuration.server_for(queue)
        plain = queue.settings.encryption == "never"
        if plain and not server.may_be_plain:
            raise BadConfiguration(
                tr(
                    "The queue asks for encryption=never, but what is sent to {server} "
                    "leaves this machine.",
                    server=queue.server,
                ),
                tr(
                    "Remove it from the queue's URI, or set allow_plaintext = true in "
                    "the server's entry."
                ),
            )
        name = (queue.server, queue.company, plain)
        if name not in self._made:
            timeouts = self._configuration.upload
            self._made[name] = CloudApi(server, queue.company, https=not plain, timeouts=timeouts)
        return self._made[name]


def api_for(configuration: Configuration, server: Server, timeouts: UploadSettings) -> CloudApi:
    """The API of a server for who asks it about itself, whatever queues there are."""
    # what the default is for queues to this machine must not take a key across the network
    plain = configuration.encryption_of(server) == "never" and server.may_be_plain
    return CloudApi(server, server.company or "", https=not plain, timeouts=timeouts)
