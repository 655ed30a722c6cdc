"""A stand-in for AWS on this machine: moto's KMS, STS and IAM, with what moto leaves out.

moto lets any caller do anything and forgets that it was asked. This stand-in wraps it and
  - writes down each call: who asked (which credentials, which role session), for what, with which answer;
  - enforces who may assume a role and who may use a key, as AWS does;
  - fails, throttles or stalls on demand.

Started as `python aws_standin.py [--role NAME] [--key REGION=KEY_ID]… [--log FILE] [--until-eof]`, it prints its URL
when it is ready. `--key` makes a key with this very id, which only the role may use. Its material follows from the id: a
file that one stand-in encrypted can be decrypted by the next. That is for demonstrations; no such key protects anything.

`--until-eof` ends it when its standard input does, so that it cannot outlive the program that started it.

Tests steer it by POSTing JSON to /_lab/key, role, session, web-identity and fault, and read /_lab/calls and data-keys.
"""

import argparse
import base64
import collections
import hashlib
import io
import json
import re
import sys
import threading
import time
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from moto.iam.models import iam_backends
from moto.kms.models import kms_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.sts.models import sts_backends
from werkzeug.serving import WSGIRequestHandler, make_server

ACCOUNT = "123456789012"  # moto's default account
WEB_IDENTITY = "AssumeRoleWithWebIdentity"
KEY_ID_LENGTH = 36  # a wrapped data key of moto's begins with the id of the key that wrapped it


def make_key(region, key_id=None, only_for=None):
    """Makes a KMS key. `only_for` is the ARN of the one role that may use it; None lets everyone."""
    backend = kms_backends[ACCOUNT][region]
    key = backend.create_key(None, "ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT", "krm-sops lab", None)
    if key_id:
        del backend.keys[key.id]
        key.id = key_id
        key.arn = f"arn:aws:kms:{region}:{ACCOUNT}:key/{key_id}"
        key.key_material = hashlib.sha256(f"demonstration key {key_id}".encode()).digest()
        backend.keys[key_id] = key
    key.only_for = only_for
    return key.arn


def make_role(name):
    """Makes an IAM role that every caller may assume, itself excepted, as AWS has it since 2022."""
    roles = iam_backends[ACCOUNT]["aws"]
    return roles.create_role(name, "{}", "/", None, "krm-sops lab", [], None).arn


class Call:
    """One request to AWS, read once."""

    def __init__(self, environ):
        self.body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        scope = re.search(r"Credential=([^/]+)/\d+/([^/]*)/([^/]+)/", environ.get("HTTP_AUTHORIZATION", ""))
        self.access_key, self.region, self.service = scope.groups() if scope else ("", "", "sts")
        self.token = environ.get("HTTP_X_AMZ_SECURITY_TOKEN")
        target = environ.get("HTTP_X_AMZ_TARGET")
        if target:
            self.action = target.split(".")[-1]
            self.asked = json.loads(self.body or b"{}")
        else:
            self.asked = {name: values[0] for name, values in parse_qs(self.body.decode()).items()}
            self.action = self.asked.get("Action", "")
        if self.action == WEB_IDENTITY:
            self.service = "sts"  # it is not signed: who asks has no credentials yet

    def target(self):
        """What the call is about: a key's ARN or a role's ARN."""
        return self.asked.get("KeyId") or self.asked.get("RoleArn")

    def key(self):
        """The KMS key that is really used, where there is one: the one that wrapped the blob, else the named one."""
        keys = kms_backends[ACCOUNT][self.region or "us-east-1"]
        blob = base64.b64decode(self.asked.get("CiphertextBlob", ""))
        named = blob[:KEY_ID_LENGTH].decode(errors="replace") or self.asked.get("KeyId", "")
        return keys.keys.get(keys.any_id_to_key_id(named))

    def refuse(self, status, code, message):
        """An error in the protocol of the call's service."""
        if self.service == "kms":
            body = json.dumps({"__type": code, "message": message}).encode()
            return status, [("Content-Type", "application/x-amz-json-1.1"), ("x-amzn-ErrorType", code)], body
        body = (
            f"<ErrorResponse><Error><Type>Sender</Type><Code>{escape(code)}</Code>"
            f"<Message>{escape(message)}</Message></Error><RequestId>lab</RequestId></ErrorResponse>"
        ).encode()
        return status, [("Content-Type", "text/xml")], body


class Standin:
    """The WSGI application."""

    def __init__(self, log=None):
        self.moto = DomainDispatcherApplication(create_backend_app)
        self.moto_lock = threading.Lock()  # moto's backends are plain dicts
        self.lock = threading.Lock()
        self.log = log
        self.calls = []
        self.data_keys = {}  # caller → base64 of each data key that it wrapped or unwrapped
        self.sessions = {}  # access key id → what AssumeRole gave out with it
        self.web_identities = {}  # token → the caller that has it, and the role that trusts it
        self.faults = []
        self.in_flight = collections.Counter()  # by caller: tests run side by side

    def __call__(self, environ, start_response):
        path = environ["PATH_INFO"]
        if path.startswith("/_lab/"):
            status, headers, body = self.control(path.removeprefix("/_lab/"), environ)
        else:
            status, headers, body = self.answer(environ)
        start_response(f"{status} .", [*headers, ("Content-Length", str(len(body)))])
        return [body]

    # What AWS is asked.

    def answer(self, environ):
        call = Call(environ)
        session = self.sessions.get(call.access_key, {})
        entry = {
            "caller": session.get("caller", call.access_key) or self.web_identity(call).get("caller"),
            "role": session.get("role"),
            "session": session.get("session"),
            "service": call.service,
            "action": call.action,
            "region": call.region,
            "target": call.target(),
            "context": call.asked.get("EncryptionContext"),
            "blob": hashlib.sha256(call.asked.get("CiphertextBlob", "").encode()).hexdigest()[:12]
            if "CiphertextBlob" in call.asked
            else None,
            "session_name": call.asked.get("RoleSessionName"),
            "user_agent": environ.get("HTTP_USER_AGENT"),
            "status": None,
            "error": None,
        }
        with self.lock:
            self.in_flight[entry["caller"]] += 1
            entry["in_flight"] = self.in_flight[entry["caller"]]
            self.calls.append(entry)
        try:
            status, headers, body = (
                self.fault(call, entry) or self.forbid(call, entry, session) or self.forward(call, environ, entry)
            )
        finally:
            with self.lock:
                self.in_flight[entry["caller"]] -= 1
        entry["status"] = status
        if status >= 400:
            entry["error"] = error_code(body)
        if self.log:
            with self.lock:
                print(json.dumps(entry), file=self.log, flush=True)
        return status, headers, body

    def fault(self, call, entry):
        """What a test asked to go wrong with this call."""
        with self.lock:
            fault = next((fault for fault in self.faults if fits(fault, call, entry)), None)
            if fault and fault.get("times") is not None:
                fault["times"] -= 1
        if not fault:
            return None
        time.sleep(fault.get("delay_ms", 0) / 1000)
        if "error" not in fault:
            return None
        return call.refuse(fault.get("status", 400), fault["error"], fault.get("message", "the lab says no"))

    def web_identity(self, call):
        return self.web_identities.get(call.asked.get("WebIdentityToken"), {})

    def forbid(self, call, entry, session):
        """The access rules that moto does not have."""
        if call.action == WEB_IDENTITY:
            identity = self.web_identity(call)
            if not identity:
                return call.refuse(400, "InvalidIdentityToken", "No OpenIDConnect provider found in your account")
            if identity["role"] != call.target():
                denied = "Not authorized to perform sts:AssumeRoleWithWebIdentity"
                return call.refuse(403, "AccessDenied", denied)
            return None
        who = f"arn:aws:iam::{ACCOUNT}:user/{call.access_key}"
        if session:
            name = session["role"].split("/")[-1]
            who = f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/{session['session']}"
            if call.token != session["token"]:
                return call.refuse(403, "InvalidClientTokenId", "The security token included in the request is invalid.")
        denied = f"User: {who} is not authorized to perform: {call.service}:{call.action} on resource: {call.target()}"
        if call.action == "AssumeRole":
            roles = {role.arn for role in iam_backends[ACCOUNT]["aws"].get_roles()}
            if call.target() not in roles or call.target() == session.get("role"):
                return call.refuse(403, "AccessDenied", denied)
        if call.service == "kms":
            key = call.key()
            only_for = getattr(key, "only_for", None)
            if only_for and only_for != session.get("role"):
                return call.refuse(400, "AccessDeniedException", denied)
        return None

    def forward(self, call, environ, entry):
        """What moto says."""
        answered = {}

        def start_response(status, headers, _exc_info=None):
            answered["status"] = int(status.split()[0])
            answered["headers"] = [(name, value) for name, value in headers if name.lower() != "content-length"]

        with self.moto_lock:
            chunks = self.moto({**environ, "wsgi.input": io.BytesIO(call.body)}, start_response)
            body = b"".join(chunks)
        if answered["status"] == 200:
            self.remember(call, entry, body)
        return answered["status"], answered["headers"], body

    def remember(self, call, entry, body):
        if call.action in ("AssumeRole", WEB_IDENTITY):
            given = {tag: re.search(f"<{tag}>([^<]+)</{tag}>", body.decode())[1] for tag in ("AccessKeyId", "SessionToken")}
            self.sessions[given["AccessKeyId"]] = {
                "caller": entry["caller"],
                "role": call.target(),
                "session": entry["session_name"],
                "token": given["SessionToken"],
            }
        if call.service == "kms":
            data_key = call.asked.get("Plaintext") or json.loads(body).get("Plaintext")
            if data_key:
                with self.lock:
                    self.data_keys.setdefault(entry["caller"], []).append(data_key)

    # What a test asks.

    def give_session(self, caller, role):
        """Credentials of a session of a role, as a pod has them that runs as that role."""
        given = sts_backends[ACCOUNT]["aws"].assume_role("us-east-1", "pod", role, "", 3600, "")
        self.sessions[given.access_key_id] = {
            "caller": caller,
            "role": role,
            "session": given.session_name,
            "token": given.session_token,
        }
        return {"access_key": given.access_key_id, "token": given.session_token}

    def control(self, what, environ):
        asked = json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)) or b"{}")
        with self.lock:
            if what == "key":
                answer = {"arn": make_key(**asked)}
            elif what == "role":
                answer = {"arn": make_role(**asked)}
            elif what == "session":
                answer = self.give_session(**asked)
            elif what == "web-identity":
                self.web_identities[asked["token"]] = asked
                answer = {}
            elif what == "fault":
                self.faults.append(asked)
                answer = {}
            elif what == "calls":
                answer = [entry for entry in self.calls if entry["caller"] == asked["caller"]]
            elif what == "data-keys":
                answer = self.data_keys.get(asked["caller"], [])
            else:
                return 404, [], b"no such control"
        return 200, [("Content-Type", "application/json")], json.dumps(answer).encode()


def fits(fault, call, entry):
    """Whether a fault is meant for this call: each of its fields that names something must name this."""
    return (
        fault.get("times") != 0
        and fault.get("caller") in (None, entry["caller"])
        and fault.get("service") in (None, call.service)
        and fault.get("action") in (None, call.action)
        and fault.get("target") in (None, call.target())
    )


def error_code(body):
    """The code of an error, in either protocol."""
    found = re.search(rb'<Code>([^<]+)</Code>|"__type": ?"([^"]+)"', body)
    return (found[1] or found[2]).decode() if found else "?"


class Quiet(WSGIRequestHandler):
    """Serves without a line on stderr for each request."""

    def log_request(self, *_args, **_kwargs):
        pass


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--key", action="append", default=[], metavar="REGION=KEY_ID")
    parser.add_argument("--role", metavar="NAME")
    parser.add_argument("--web-identity", metavar="TOKEN=ROLE", help="whoever has this token may be this role")
    parser.add_argument("--log", metavar="FILE")
    parser.add_argument("--until-eof", action="store_true")
    return parser.parse_args()


def main():
    options = arguments()
    role = make_role(options.role) if options.role else None
    for key in options.key:
        make_key(*key.split("="), only_for=role)
    log = open(options.log, "a", encoding="utf-8") if options.log else None
    standin = Standin(log)
    if options.web_identity:
        token, name = options.web_identity.split("=")
        standin.web_identities[token] = {"token": token, "role": make_role(name), "caller": name}
    server = make_server("127.0.0.1", 0, standin, threaded=True, request_handler=Quiet)
    server.daemon_threads = True  # a stalled call must not keep it alive
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.port}", flush=True)
    if options.until_eof:
        sys.stdin.buffer.read()
    else:
        threading.Event().wait()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
