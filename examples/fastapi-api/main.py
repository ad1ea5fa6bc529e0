"""An API in FastAPI that accepts Relatch access tokens: a public route, and three that look closer and closer."""

import os
import socket
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI

from auth import Auth

ISSUER = os.environ.get("RELATCH_ISSUER", "http://localhost:8080")
AUDIENCE = os.environ.get("AUDIENCE", ISSUER)

app = FastAPI()
auth = Auth(app, ISSUER, AUDIENCE)


@app.get("/public")
def public():
    return {"hello": "world"}


@app.get("/hello")
def hello(claims: Annotated[dict, Depends(auth.claims)]):
    return {"hello": claims["sub"]}


@app.get("/admin")
def admin(claims: Annotated[dict, Depends(auth.scope("admin"))]):
    return {"hello": claims["sub"]}


@app.get("/fresh")
def fresh(claims: Annotated[dict, Depends(auth.max_age(300))]):
    return {"hello": claims["sub"]}


if __name__ == "__main__":
    host, _, port = os.environ.get("LISTEN", "127.0.0.1:4002").rpartition(":")
    with socket.create_server((host, int(port))) as listener:
        print(f"listening on http://{host}:{listener.getsockname()[1]}", flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])
