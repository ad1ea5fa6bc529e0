"""An SMTP server for tests: takes mail, refuses as it is told, and prints a line of JSON for each message.

Receivers choose what happens: `gone…@` is refused for good (550), `busy…@` the first time only (451).
"""

import argparse
import asyncio
import email
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


class Sink:
    def __init__(self, pause):
        self.pause = pause
        self.asked = set()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("gone"):
            return f"550 5.1.1 there is no {address}"
        if address.startswith("busy") and address not in self.asked:
            self.asked.add(address)
            return f"451 4.3.2 {address} is busy"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content)
        part = next((part for part in message.walk() if part.get_content_type() == "text/plain"), message)
        say(
            id=message["Message-ID"],
            to=envelope.rcpt_tos,
            subject=str(email.header.make_header(email.header.decode_header(message["Subject"]))),
            types=[part.get_content_type() for part in message.walk()],
            text=part.get_payload(decode=True).decode(),
            is_tls=server.transport.get_extra_info("ssl_object") is not None,
            login=(session.auth_data or b"").decode(),
        )
        # Whoever is killed in here has delivered, and doesn't know.
        await asyncio.sleep(self.pause)
        return "250 2.0.0 OK"


def say(**line):
    print(json.dumps(line), flush=True)


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--security", choices=["none", "starttls", "tls"], default="none")
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--login", help="NAME:PASSWORD, without which no mail is taken")
    parser.add_argument("--pause", type=float, default=0, help="seconds before a message is acknowledged")
    return parser.parse_args()


async def main(given):
    context = None
    if given.security != "none":
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(given.cert, given.key)
    starttls = context if given.security == "starttls" else None

    def authenticate(server, session, envelope, mechanism, data):
        name, password = given.login.split(":")
        is_right = (data.login, data.password) == (name.encode(), password.encode())
        return AuthResult(success=is_right, handled=False, auth_data=data.login)

    sink = Sink(given.pause)

    def smtp():
        return SMTP(
            sink,
            tls_context=starttls,
            require_starttls=starttls is not None,
            authenticator=authenticate if given.login else None,
            auth_required=given.login is not None,
            auth_require_tls=False,
        )

    loop = asyncio.get_running_loop()
    implicit = context if given.security == "tls" else None
    server = await loop.create_server(smtp, "127.0.0.1", given.port, ssl=implicit)
    say(port=server.sockets[0].getsockname()[1])
    # Ends with whoever started it.
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main(options()))
