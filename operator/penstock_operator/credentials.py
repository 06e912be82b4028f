"""Where the API server is and who we are: from a kubeconfig file, or from the pod's service account."""

import ssl
from pathlib import Path

from kubernetes.client import Configuration
from kubernetes.config import ConfigException, load_incluster_config, load_kube_config

TOKEN = "BearerToken"  # noqa: S105 - the key under which `kubernetes` keeps the token


class Credentials:
    """Server address, trust and identity. The token is read anew, so a rotated one is picked up."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration

    @classmethod
    def load(cls, kubeconfig: Path | None) -> "Credentials":
        """From this file, or from the service account of the pod where it is None.

        Raises ValueError in words when neither is usable.
        """
        configuration = Configuration()
        try:
            if kubeconfig is None:
                load_incluster_config(client_configuration=configuration)
            else:
                load_kube_config(config_file=str(kubeconfig), client_configuration=configuration)
        except (ConfigException, OSError) as error:
            place = f"the kubeconfig {kubeconfig}" if kubeconfig else "the service account of this pod"
            raise ValueError(
                f"no way to the API server from {place}: {error}. "
                "Outside of a cluster, name a file with --kubeconfig or in KUBECONFIG."
            ) from error
        return cls(configuration)

    @property
    def server(self) -> str:
        """The base URL, without a slash at the end."""
        return str(self._configuration.host).rstrip("/")

    def authorization(self) -> str:
        """The value of the Authorization header; empty where a client certificate says who we are."""
        # The library's hook reads the projected file again once a minute.
        value = self._configuration.get_api_key_with_prefix(TOKEN) or ""
        return f"Bearer {value.split(' ', 1)[1]}" if value.lower().startswith("bearer ") else value

    @property
    def authority_file(self) -> str | None:
        """The file with the certificates to trust."""
        return self._configuration.ssl_ca_cert or None

    @property
    def client_certificate(self) -> tuple[str, str] | None:
        """The files of the client certificate and its key."""
        certificate, key = self._configuration.cert_file, self._configuration.key_file
        return (str(certificate), str(key)) if certificate and key else None

    @property
    def verify(self) -> bool:
        """False only where the kubeconfig says insecure-skip-tls-verify."""
        return bool(self._configuration.verify_ssl)

    def tls(self) -> ssl.SSLContext | bool:
        """What aiohttp wants for `ssl`; False for a plain http server."""
        if not self.server.startswith("https:"):
            return False
        context = ssl.create_default_context(cafile=self.authority_file)
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.client_certificate is not None:
            context.load_cert_chain(*self.client_certificate)
        return context
