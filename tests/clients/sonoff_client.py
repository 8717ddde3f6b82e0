"""Drives the PyPI client sonoff-python against a gateway of ours.

    sonoff_client.py credentials DIRECTORY  writes the app id and secret that the package carries
    sonoff_client.py login                  reads {base_url, base_urls?, region, phone|email, password}
                                            from stdin, prints one JSON line, never a secret
"""

import inspect
import json
import os
import re
import sys

import requests
import sonoff.sonoff

HOST = re.compile(r"https://(?P<region>\w+)-(?P<kind>api|disp)\.coolkit\.cc:8080")


def write_credentials(directory):
    source = inspect.getsource(sonoff.sonoff.Sonoff.do_login)
    app_id = re.search(r"'appid'\s*:\s*'(\w+)'", source).group(1)
    secret = re.search(r"decryptedAppSecret\s*=\s*b'(\w+)'", source).group(1)
    for name, text in (("sonoff-python.id", app_id), ("sonoff-python.secret", secret)):
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with os.fdopen(os.open(os.path.join(directory, name), flags, 0o600), "w") as file:
            file.write(text)


class Requests:
    """Stands where the client expects the `requests` module, and sends its calls to the gateway."""

    def __init__(self, base_url, base_urls):
        self.base_url = base_url
        self.base_urls = base_urls
        self.asked = []
        self.error = None

    def post(self, url, **options):
        return self.send("POST", url, **options)

    def get(self, url, **options):
        return self.send("GET", url, **options)

    def send(self, method, url, **options):
        region = HOST.match(url).group("region")
        self.asked.append(region)
        target = HOST.sub(self.base_urls.get(region, self.base_url), url)
        answer = requests.request(method, target, timeout=60, **options)
        self.error = answer.json().get("error")
        return answer


class Client(sonoff.sonoff.Sonoff):
    """The client, without what follows a login: device lists and websockets."""

    def set_wshost(self):
        pass


def login(base_url, region, password, base_urls=None, phone=None, email=None):
    shim = sonoff.sonoff.requests = Requests(base_url, base_urls or {})
    client, logged_in = None, False
    try:
        client = Client(phone or email, password, region)
        logged_in = bool(client.get_bearer_token() and client.get_user_apikey())
    except KeyError as member:
        # The client reads `at` without asking whether it is there: a refusal it does not know.
        if member.args != ("at",):
            raise
    return {
        "client": "sonoff-python",
        "outcome": "logged_in" if logged_in else "refused",
        "error": shim.error,
        "region": client.get_api_region() if client else shim.asked[-1],
        "asked": shim.asked,
    }


def main(arguments):
    if len(arguments) == 2 and arguments[0] == "credentials":
        write_credentials(arguments[1])
    elif arguments == ["login"]:
        print(json.dumps(login(**json.load(sys.stdin))))
    else:
        sys.exit("usage: sonoff_client.py credentials DIRECTORY | sonoff_client.py login")


if __name__ == "__main__":
    main(sys.argv[1:])
