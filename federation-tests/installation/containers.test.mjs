// The compose file and the Helm chart. There is no Docker and no Kubernetes here: what they say is held against the schemas of both, and
// against what the executable, the image and the unit say.
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { readFile, readdir, writeFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { render } from "./chart.mjs";

const execute = promisify(execFile);
const DEPLOY = fileURLToPath(new URL("../../deploy", import.meta.url));
const CHART = join(DEPLOY, "helm/hanse");
const PYTHON = process.env["HANSE_SCHEMA_PYTHON"];

const text = (file) => readFile(join(DEPLOY, file), "utf8");
/** Lines of a file that are no comments. */
const words = (file) => file.split("\n").filter((line) => !line.trim().startsWith("#")).join("\n");

/** Renders the chart with its own values and `more`, `{ "storage.enabled": false }`, and has the schemas judge it. */
async function chart(more = {}, spoil = (rendered) => rendered) {
  assert.ok(PYTHON, "HANSE_SCHEMA_PYTHON names a Python with what is in federation-tests/installation/requirements.txt");
  const names = (await readdir(join(CHART, "templates"))).toSorted();
  const templates = await Promise.all(names.map((name) => readFile(join(CHART, "templates", name), "utf8")));
  const [schema, values, about] = await Promise.all(["values.schema.json", "values.yaml", "Chart.yaml"].map((name) => readFile(join(CHART, name), "utf8")));
  const judge = (rendered) =>
    JSON.parse(
      execFileSync(PYTHON, [fileURLToPath(new URL("chart_check.py", import.meta.url))], {
        input: JSON.stringify({ schema: JSON.parse(schema), values, rendered }),
        encoding: "utf8",
        stdio: ["pipe", "pipe", "pipe"],
      }),
    );
  const context = { Values: judge([]).values, Release: { Name: "calls" }, Chart: { AppVersion: /appVersion: "(.*)"/.exec(about)[1] } };
  for (const [path, value] of Object.entries(more)) {
    const way = path.split(".");
    const last = way.pop();
    way.reduce((at, name) => at[name], context.Values)[last] = value;
  }
  const { objects } = judge(templates.map((template) => spoil(render(template, context))));
  return { values: context.Values, of: (kind) => objects.filter((object) => object.kind === kind) };
}

const IMAGE = { "image.repository": "registry.example.org/hanse" };

test("docker-compose understands the compose file, and not one with a mistake", async () => {
  const folder = await mkdtemp(join(tmpdir(), "hanse-compose-"));
  const config = async (file) => {
    await writeFile(join(folder, "compose.yaml"), file);
    return (await execute("docker-compose", ["--file", join(folder, "compose.yaml"), "config"])).stdout;
  };
  try {
    const compose = await text("container/compose.yaml");
    const said = await config(compose);
    for (const wall of [/read_only: true/, /cap_drop:\s+- ALL/, /no-new-privileges:true/, /user: 10001:10001/, /network_mode: host/]) assert.match(said, wall);
    await assert.rejects(config(compose.replace("read_only:", "read_olny:")), /read_olny/);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("Kubernetes' schemas take what the chart renders, with and without a volume, and not one with a mistake", async () => {
  const { of } = await chart(IMAGE);
  assert.deepEqual([of("ConfigMap").length, of("Service").length, of("StatefulSet").length], [1, 1, 1]);
  assert.equal(of("StatefulSet")[0].spec.volumeClaimTemplates.length, 1);
  const without = await chart({ ...IMAGE, "storage.enabled": false });
  const [{ spec }] = without.of("StatefulSet");
  assert.equal(spec.volumeClaimTemplates, undefined);
  assert.deepEqual(spec.template.spec.volumes.map(({ name }) => name), ["config", "data"]);
  await assert.rejects(chart(IMAGE, (rendered) => rendered.replace("hostNetwork", "hostNetwrok")), /hostNetwrok/);
});

test("the chart says that it needs an image, and takes no other than the one that is named", async () => {
  await assert.rejects(chart(), /image\.repository/);
  const { of } = await chart({ ...IMAGE, "image.tag": "7" });
  assert.equal(of("StatefulSet")[0].spec.template.spec.containers[0].image, "registry.example.org/hanse:7");
});

test("the pod has no privilege, one replica, and every mount has its volume", async () => {
  const { of, values } = await chart(IMAGE);
  const [{ spec }] = of("StatefulSet");
  assert.equal(spec.replicas, 1);
  const pod = spec.template.spec;
  assert.equal(pod.automountServiceAccountToken, false);
  assert.ok(pod.securityContext.runAsNonRoot && pod.hostNetwork);
  const [container] = pod.containers;
  assert.deepEqual(container.securityContext, { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ["ALL"] } });
  const volumes = new Set([...pod.volumes, ...spec.volumeClaimTemplates.map(({ metadata }) => metadata)].map(({ name }) => name));
  for (const { name } of container.volumeMounts) assert.ok(volumes.has(name), name);
  const ports = Object.fromEntries(container.ports.map(({ name, containerPort }) => [name, containerPort]));
  assert.deepEqual(ports, { http: values.ports.http, "media-tcp": values.ports.mediaTcp, "media-udp": values.ports.mediaUdp });
  for (const probe of ["readinessProbe", "livenessProbe"]) assert.deepEqual(container[probe].httpGet, { path: "/healthz", port: "http" });
  const [service] = of("Service");
  assert.deepEqual(service.spec.selector, spec.template.metadata.labels);
});

test("the chart's configuration is one that the executable takes, and its ports are the executable's", async () => {
  const { of, values } = await chart(IMAGE);
  const folder = await mkdtemp(join(tmpdir(), "hanse-chart-"));
  try {
    const file = join(folder, "hanse.toml");
    await writeFile(file, of("ConfigMap")[0].data["hanse.toml"]);
    const { stdout } = await execute(process.env["HANSE_BIN"], ["check-config", "--config", file], { env: { LIVEKIT_KEYS: `hanse: ${"0123456789".repeat(4)}` } });
    assert.match(stdout, /This configuration is valid/);
    const [http, mediaUdp, mediaTcp] = [/\[http\][^]*?^port = (\d+)/m, /^udp_port = (\d+)/m, /^tcp_port = (\d+)/m].map((line) => Number(line.exec(stdout)?.[1]));
    assert.deepEqual(values.ports, { http, mediaTcp, mediaUdp });
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("image, compose file, chart and unit agree on user, ports, folders and the time to stop", async () => {
  const [recipe, compose, unit] = (await Promise.all(["container/Containerfile", "container/compose.yaml", "debian/hanse.service"].map(text))).map(words);
  const { of, values } = await chart(IMAGE);
  const pod = of("StatefulSet")[0].spec.template.spec;
  assert.match(recipe, /^USER 10001:10001$/m);
  assert.deepEqual([pod.securityContext.runAsUser, pod.securityContext.runAsGroup], [10001, 10001]);
  const { http, mediaTcp, mediaUdp } = values.ports;
  assert.ok(recipe.includes(`EXPOSE ${http}/tcp ${mediaTcp}/tcp ${mediaUdp}/udp`));
  const [, command] = /^ExecStart=\/usr\/bin\/hanse (.*)$/m.exec(unit);
  assert.deepEqual(JSON.parse(/^CMD (.*)$/m.exec(recipe)[1]), command.split(" "));
  assert.deepEqual(pod.containers[0].args, command.split(" "));
  for (const mount of ["/etc/hanse", "/var/lib/hanse"]) {
    assert.ok(compose.includes(`:${mount}`), mount);
    assert.ok(pod.containers[0].volumeMounts.some(({ mountPath }) => mountPath === mount), mount);
  }
  const seconds = Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)[1]);
  assert.equal(Number(/stop_grace_period: (\d+)s/.exec(compose)[1]), seconds);
  assert.equal(pod.terminationGracePeriodSeconds, seconds);
});
