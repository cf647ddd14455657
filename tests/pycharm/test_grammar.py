"""Our files against the form of real ones, and the form against the real ones it was derived from."""

from __future__ import annotations

import re

import pytest

from devbox.pycharm import render
from devbox.pycharm.xml import parse, pretty
from tests.pycharm import grammar, samples
from tests.pycharm.example import VARIATIONS

# Where our files leave the samples' grammar, and why that is right. Everything else is the same.
RUN = r"component\[ProjectRunConfigurationManager\]/configuration"
ELSEWHERE = {
    "experimental: two observed halves put together (remote target, interpreter entry)": [
        r"jdk-table: .*targetEnvironmentConfiguration\[docker\].*",
    ],
    "unproven: which connection a compose target uses is observed for docker targets only": [
        r"jdk-table: config\[docker-compose\]/option\[dockerServerName\]: unknown",
    ],
    "no sample: the older docker form; names as in JetBrains' published source, siblings are observed": [
        r"jdk-table: .*@DOCKER_IMAGE_NAME: text .*",
    ],
    "written by the code that all Python configurations share; observed in Python and Flask ones": [
        rf"run: {RUN}\[(Python\.\w+|tests)\] > (EXTENSION\[Docker\w+\]|PathMappingSettings): unknown",
        rf"run: {RUN}\[Python\.FastAPI\]/option\[(SDK_HOME|WORKING_DIRECTORY)\]@value: .*",
    ],
    "the same bean as in Dockerfile configurations": [
        r"run: EXTENSION\[Docker\w+\]/option\[portBindings\]/list > DockerPortBindingImpl: unknown",
    ],
    "published projects fill in what the samples leave empty or as the IDE proposes it": [
        rf"run: {RUN}\[Python[\w.]+\]/option\[ENV_FILES\]@value: path .*",
        r"run: EXTENSION\[Docker\w+\]/option\[networkMode\]@value: =dev\.shop_default .*",
    ],
    "says that the IDE made the name, which it did not": [
        rf"run: {RUN}\[Python\.FlaskServer\]@nameIsGenerated: missing",
    ],
    "the samples leave it empty here and fill it in Dockerfile configurations": [
        rf"run: {RUN}\[docker-deploy\]/deployment\[docker-image\]/.*\[commandLineOptions\]@value: text .*",
    ],
}


def _differences() -> set[str]:
    known = grammar.with_published()
    return {
        f"{wanted.kind.name}: {difference}"
        for facts in VARIATIONS.values()
        for wanted in [*render.project(facts), *render.ide(facts)]
        for difference in grammar.differences(wanted.root, wanted.kind.name, known)
    }


def test_our_files_have_the_form_of_real_ones_but_for_what_is_listed() -> None:
    patterns = [pattern for listed in ELSEWHERE.values() for pattern in listed]
    unexplained = [one for one in _differences() if not any(re.fullmatch(p, one) for p in patterns)]
    assert sorted(unexplained) == []


# The one sample with build arguments is of 2018; newer ones without begin with the tag.
ORDER_OF_2018 = ("option[imageTag]", "option[buildArgs]")


def test_our_elements_and_attributes_stand_in_the_order_of_real_ones() -> None:
    real = {one for data in samples.load().values() for one in grammar.order(parse(data).root)}
    for facts in VARIATIONS.values():
        for wanted in [*render.project(facts), *render.ide(facts)]:
            for path, first, second in grammar.order(wanted.root):
                turned = (path, second, first) in real and (path, first, second) not in real
                assert not turned or (first, second) == ORDER_OF_2018, (wanted.path, path, first, second)


def test_every_listed_difference_is_there() -> None:
    found = _differences()
    for reason, patterns in ELSEWHERE.items():
        for pattern in patterns:
            assert any(re.fullmatch(pattern, one) for one in found), (reason, pattern)


def test_the_committed_grammar_is_that_of_the_samples() -> None:
    assert grammar.of_samples(samples.load()) == grammar.load()


def test_every_sample_is_in_the_grammar() -> None:
    known = grammar.load()
    for name, data in samples.load().items():
        assert grammar.differences(parse(data).root, samples.kind_of(name), known) == [], name


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ('accessType="SFTP"', "accessType"),
        ('<option name="servers">', "option[services]: unknown"),
        ('port="22"', "@port"),
        ('sshConfigId="', "@sshConfigIdentifier"),
    ],
)
def test_the_grammar_sees_what_is_wrong(harm: str, said: str) -> None:
    changed = {
        'accessType="SFTP"': 'accessType="SCP"',
        '<option name="servers">': '<option name="services">',
        'port="22"': 'port="ssh port"',
        'sshConfigId="': 'sshConfigIdentifier="',
    }
    facts = VARIATIONS["docker"]
    wanted = next(one for one in render.project(facts) if one.path == ".idea/webServers.xml")
    text = pretty(wanted.root)
    assert harm in text
    root = parse(text.replace(harm, changed[harm]).encode()).root
    assert any(said in one for one in grammar.differences(root, "webServers", grammar.load()))
