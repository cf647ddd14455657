"""Compose files over the specification's common keys, and what is refused of them by name."""

from __future__ import annotations

ACCEPTED = {
    "plain": """
services:
  web: {image: nginx, ports: [8080:80]}
""",
    "version-and-extensions": """
version: "3.8"
x-note: anything
services:
  web: {image: nginx, x-own: 1, expose: ["80"], init: true}
""",
    "anchors": """
x-base: &base {image: "python:3.12", environment: {A: "1", B: "2"}, restart: unless-stopped}
services:
  web: {<<: *base, command: python -m web}
  worker: {<<: *base, command: [python, -m, worker], environment: {C: 3}}
""",
    "build": """
services:
  web:
    build: {context: ./app, dockerfile: Dockerfile.dev, target: dev, args: {VERSION: 3, NAME: "${WORD}"}}
    image: shop:dev
    command: uvicorn main:app --host 0.0.0.0 --header "a b"
    ports: ["8000:8000", "127.0.0.1:9000:9001", "7000", {target: 81, published: "8081", protocol: tcp}]
  worker:
    build: {context: ./app, dockerfile: Dockerfile.dev, target: dev, args: ["VERSION=3", "NAME=${WORD}"]}
    image: shop:dev
""",
    "short-build": """
services:
  app: {build: ., entrypoint: python -u, command: main.py, tty: true, stdin_open: true}
""",
    "variables": """
services:
  web:
    image: "redis:${TAG:-7}"
    environment:
      - WORD
      - NOBODY
      - EMPTY=
      - PRICE=$$5 and ${WORD}
      - "OTHER=${NOBODY-none}"
      - "THERE=${WORD:+yes}"
      - "NOT=${NOBODY:+yes}"
""",
    "environment-values": """
services:
  web: {image: nginx, environment: {ON: true, OFF: "no", NUMBER: 1.5, TEXT: "a=b", LATER: }}
""",
    "env-files": """
services:
  web: {image: nginx, env_file: [one.env, two.env], environment: {B: own}}
""",
    "volumes": """
services:
  web:
    image: nginx
    volumes:
      - .:/code
      - ./conf/nginx.conf:/etc/nginx/nginx.conf:ro
      - data:/data
      - /cache
      - {type: bind, source: ./static, target: /static, read_only: true}
      - {type: volume, source: logs, target: /logs}
volumes: {data: , logs: {}}
""",
    "dependencies": """
services:
  web:
    image: nginx
    depends_on:
      db: {condition: service_healthy}
      job: {condition: service_completed_successfully}
      cache: {condition: service_started}
  db:
    image: postgres
    healthcheck:
      test: [CMD, pg_isready, -U, me]
      interval: 1m30s
      timeout: 500ms
      retries: 7
      start_period: 5s
  job: {image: alpine, command: "true", depends_on: [db]}
  cache: {image: redis, healthcheck: {test: redis-cli ping || exit 1}}
  quiet: {image: redis, healthcheck: {disable: true}}
  quieter: {image: redis, healthcheck: {test: [NONE]}}
""",
    "limits": """
services:
  web: {image: nginx, deploy: {resources: {limits: {cpus: "0.50", memory: 64M}}}}
  old: {image: nginx, mem_limit: 1g, cpus: 1.5}
""",
    "networks-profiles-labels": """
services:
  web: {image: nginx, networks: [front, back], labels: {a: "1"}, user: "1000:1000", working_dir: /srv}
  db: {image: postgres, networks: {back: }, labels: [b=2, c], profiles: [full], restart: "on-failure:3"}
networks: {front: , back: {}}
""",
    "names-hosts-memory": """
services:
  web:
    image: nginx
    container_name: my-web
    hostname: web.local
    shm_size: 256m
    extra_hosts: ["host.docker.internal:host-gateway", "db.local=10.0.0.7", "six=[::1]"]
    networks: [back]
  db: {image: postgres, shm_size: 1g, extra_hosts: {other: 10.0.0.8}, volumes: [data:/data], networks: [back]}
networks: {back: {driver: bridge}}
volumes: {data: {driver: local}}
""",
    "runtime": """
services:
  web:
    image: nginx
    networks: {front: {aliases: [shop.local, www]}, back: }
    cap_drop: [ALL]
    cap_add: [NET_BIND_SERVICE, CAP_CHOWN]
    ulimits: {nproc: 65535, nofile: {soft: 20000, hard: 40000}, memlock: -1}
    logging: {driver: json-file, options: {max-size: 10m, max-file: 3}}
    stop_grace_period: 1m30s
    stop_signal: SIGUSR1
    init: true
    read_only: true
    tmpfs: [/run, "/tmp:size=64m,mode=1777"]
    security_opt: ["no-new-privileges:true"]
    labels: {empty: , port: 80}
    develop: {watch: [{path: ., action: sync, target: /app}]}
  debug: {image: nginx, init: false, tmpfs: /scratch, cap_add: [SYS_PTRACE], logging: {driver: local}}
  quick: {image: nginx, stop_grace_period: 500ms, logging: {options: {max-size: 1m}}}
networks: {front: , back: }
""",
    "secrets": """
services:
  db:
    image: postgres
    volumes: [data:/data]
    secrets: [password, {source: key, target: app.key}, {source: deep, target: /etc/deep, mode: 0400}]
    environment: {POSTGRES_PASSWORD_FILE: /run/secrets/password}
secrets: {password: {file: ./secrets/password.txt}, key: {file: secrets/app.key}, deep: {file: ./deep.txt}}
volumes: {data: }
""",
    "dangers": """
services:
  agent:
    image: nginx
    privileged: true
    network_mode: host
    cap_add: [SYS_ADMIN]
    volumes: [/var/run/docker.sock:/var/run/docker.sock, /:/host:ro]
    x-devbox: {allow: [privileged, host-network, docker.sock, host-root, capabilities]}
""",
}

REFUSED = {
    "secrets: {a: {environment: X}}\nservices: {}": "secrets.a is taken with a file only",
    "secrets: {a: {external: true}}\nservices: {}": "secrets.a is taken with a file only",
    "configs: {a: {file: x}}\nservices: {}": "configs is a key of compose files that devbox does not take",
    "services: {a: {image: b, secrets: [c]}}": "services.a.secrets names 'c'; the file's secrets: none",
    "services: {a: {image: b, secrets: [{source: c, owner: d}]}}": "services.a.secrets.owner",
    "services: {a: {image: b, cap_add: [CAP_SYS_ADMIN]}}": "allow: [capabilities]",
    "services: {a: {image: b, ulimits: {nofile: many}}}": "wants a whole number, found 'many'",
    "services: {a: {image: b, ulimits: {nofile: {soft: 1}}}}": "services.a.ulimits.nofile wants a number",
    "services: {a: {image: b, logging: {driver: syslog}}}": "is none that devbox logs can read",
    "services: {a: {image: b, logging: {drivr: local}}}": "services.a.logging.drivr",
    "services: {a: {image: b, stop_grace_period: 5m}}": "is longer than devbox waits: 100s",
    "services: {a: {image: b, stop_grace_period: soon}}": "wants a duration",
    "services: {a: {image: b, security_opt: ['seccomp:unconfined']}}": "no-new-privileges only",
    "services: {a: {image: b, init: 'yes'}}": "services.a.init wants true or false",
    "services: {a: {image: b, devices: ['/dev/fuse']}}": "services.a.devices",
    "services: {a: {image: b, networks: {front: {ipv4_address: 10.0.0.2}}}}": "networks.front.ipv4_address",
    "include: [other.yaml]\nservices: {}": "include is not taken",
    "volumes: {a: {driver: nfs}}\nservices: {}": "volumes.a.driver",
    "volumes: {a: {external: true}}\nservices: {}": "volumes.a.external is not taken",
    "networks: {a: {driver: macvlan}}\nservices: {}": "networks.a.driver",
    "services: {a: {image: b, cap_add: [ALL]}}": "allow: [capabilities]",
    "services: {a: {image: b, extra_hosts: [c]}}": "wants NAME:ADDRESS, found 'c'",
    "services: {a: {extends: {service: b}}}": "services.a.extends is not taken",
    "services: {a: {image: b, privileged: true}}": "allow: [privileged]",
    "services: {a: {image: b, network_mode: host}}": "allow: [host-network]",
    "services: {a: {image: b, network_mode: 'service:c'}}": "may be host only",
    "services: {a: {image: b, ports: ['53:53/udp']}}": "wants single TCP ports, found '53:53/udp'",
    "services: {a: {image: b, ports: ['8000-8010:8000-8010']}}": "wants single TCP ports",
    "services: {a: {image: b, volumes: ['./x:/y:shared']}}": "has a mode that devbox does not take: shared",
    "services: {a: {image: b, volumes: [{type: tmpfs, target: /t}]}}": "is no bind or volume",
    "services: {a: {image: b, deploy: {replicas: 2}}}": "services.a.deploy.replicas",
    "services: {a: {image: b, deploy: {resources: {reservations: {cpus: '1'}}}}}": "reservations.cpus",
    "services: {a: {image: b, healthcheck: {test: [pg_isready]}}}": "begins with CMD or CMD-SHELL",
    "services: {a: {image: b, healthcheck: {test: x, start_interval: 1s}}}": "healthcheck.start_interval",
    "services: {a: {image: b, depends_on: {c: {condition: lucky}}}}": "wants a condition of service_started",
    "services: {a: {build: {context: ., ssh: [default]}}}": "services.a.build.ssh",
    "services: {a: {build: .}, b: {build: other}}": "services.b.build builds another image",
    "services: {a: {command: run}}": "services.a has neither an image nor a build",
    "services: {a: {image: '${NOT_SET:?say which}'}}": "say which",
    "services: {a: {image: b, x-devbox: {alow: [privileged]}}}": "x-devbox.alow is not a key",
}
