// An API in Express that accepts Relatch access tokens: a public route, and three that look closer and closer.

import express from "express";
import { protect } from "./auth.js";

const issuer = process.env.RELATCH_ISSUER ?? "http://localhost:8080";
const audience = process.env.AUDIENCE ?? issuer;
const listen = new URL(`http://${process.env.LISTEN ?? "127.0.0.1:4001"}`);

const requireAuth = protect({ issuer, audience });
const hello = (request, response) => response.json({ hello: request.claims.sub });

const app = express();
app.get("/public", (_request, response) => response.json({ hello: "world" }));
app.get("/hello", requireAuth(), hello);
app.get("/admin", requireAuth({ scope: "admin" }), hello);
app.get("/fresh", requireAuth({ maxAge: 300 }), hello);

const server = app.listen(Number(listen.port), listen.hostname, (error) => {
  if (error) throw error;
  const { address, port } = server.address();
  console.log(`listening on http://${address}:${port}`);
});
