"""Programmed follows the pods: those that start, lag, hang, restart, refuse or end."""

from __future__ import annotations

import asyncio

from tests.control_plane.pods import Kubelet
from tests.status.outcomes import of
from tests.status.rig import Reporting, eventually


async def _programmed(rig: Reporting, node: Kubelet, *, count: int = 2) -> list:
    """A gateway with that many pods, all of which have loaded its first configuration."""
    _, policy = await rig.gateway_and_policies("everyone")
    await rig.write_configuration(1)
    pods = await asyncio.to_thread(node.run, rig.namespace, "corp", count=count)
    await rig.reconciled(wanted=count)
    await rig.until(policy, "Ready", "Ready")
    await rig.until(rig.gateway, "Ready", "Ready")
    return [policy, *pods]


async def _edit(rig: Reporting, sequence: int) -> None:
    """A policy is edited, and what it leads to is on its way."""
    await rig.apply_policy("everyone", models=[f"model-{sequence}"])
    await rig.write_configuration(sequence)
    await rig.reconciled(wanted=2)


async def test_without_a_pod_nothing_is_programmed(rig: Reporting) -> None:
    gateway, policy = await rig.gateway_and_policies("everyone")
    await rig.write_configuration(1)
    await rig.reconciled()
    await rig.until(gateway, "Ready", "NoReadyPods")
    await rig.until(policy, "Programmed", "NoReadyPods")
    status = await rig.status(gateway)
    assert (status["replicas"], status["readyReplicas"], status["programmedReplicas"]) == (0, 0, 0)


async def test_an_edit_is_programmed_once_every_pod_was_nudged_and_has_loaded_it(rig: Reporting, node: Kubelet) -> None:
    policy, first, second = await _programmed(rig, node)
    await _edit(rig, 2)
    await rig.until(policy, "Programmed", "Programmed")
    assert (first.sequence, second.sequence) == (2, 2)
    assert first.nudges[0] == second.nudges[0] == "2"
    assert (await rig.status(policy))["observedGeneration"] == 2


async def test_a_pod_that_lags_is_named_and_nudged_again_until_it_follows(rig: Reporting, node: Kubelet) -> None:
    policy, prompt, late = await _programmed(rig, node)
    late.lag(5)
    await _edit(rig, 2)
    await rig.until(policy, "Programmed", "PodsBehind")

    async def only_the_late_one() -> bool:
        message = of(await rig.status(policy), "Programmed")["message"]
        return late.name in message and prompt.name not in message

    await eventually(only_the_late_one, what="the late pod alone in the message")
    assert (await rig.status(rig.gateway))["programmedReplicas"] == 1
    await rig.until(policy, "Programmed", "Programmed")
    assert late.nudges[:2] == ["2", "2.1"]


async def test_a_pod_that_hangs_is_behind_until_it_answers_again(rig: Reporting, node: Kubelet) -> None:
    policy, _, hanging = await _programmed(rig, node)
    await asyncio.to_thread(hanging.hang)
    await _edit(rig, 2)
    await rig.until(policy, "Programmed", "PodsBehind")
    await asyncio.to_thread(hanging.resume)
    await rig.until(policy, "Programmed", "Programmed")


async def test_a_pod_that_refuses_the_token_is_behind(rig: Reporting, node: Kubelet) -> None:
    policy, _, strange = await _programmed(rig, node)
    strange.refuse_token()
    await _edit(rig, 2)
    await rig.until(policy, "Programmed", "PodsBehind")
    await eventually(lambda: _says(rig, policy, "refuses the operator's token"), what="the reason in the message")
    strange.refuse_token(False)
    await rig.until(policy, "Programmed", "Programmed")


async def test_a_pod_that_cannot_load_the_newest_says_why(rig: Reporting, node: Kubelet) -> None:
    policy, _, broken = await _programmed(rig, node)
    broken.fail_to_load("ConfigCorrupt", "part-0 is not what the index says")
    await _edit(rig, 2)
    await rig.until(policy, "Programmed", "PodsBehind")
    await eventually(lambda: _says(rig, policy, "ConfigCorrupt: part-0 is not what"), what="the reason in the message")
    await asyncio.to_thread(broken.load_again)
    await rig.until(policy, "Programmed", "Programmed")


async def test_a_container_that_is_restarted_in_place_is_asked_anew(rig: Reporting, node: Kubelet) -> None:
    policy, _, pod = await _programmed(rig, node)
    asked = pod.asked
    await asyncio.to_thread(pod.restart)
    await eventually(lambda: _true(pod.asked > asked), what="the new process is asked")
    await rig.until(rig.gateway, "Ready", "Ready")
    await rig.until(policy, "Programmed", "Programmed")


async def test_a_pod_that_crash_loops_keeps_the_gateway_from_being_ready(rig: Reporting, node: Kubelet) -> None:
    policy, _, pod = await _programmed(rig, node)
    await asyncio.to_thread(pod.crash_loop)
    await rig.until(rig.gateway, "Ready", "PodsNotReady")
    assert await _says(rig, rig.gateway, f"1 of 2 pods are ready: pod {pod.name}: CrashLoopBackOff, last exit code 1")
    assert (await rig.words(policy))["Programmed"] == ("True", "Programmed")


async def test_the_last_ready_pod_takes_programmed_with_it(rig: Reporting, node: Kubelet) -> None:
    policy, pod = await _programmed(rig, node, count=1)
    await asyncio.to_thread(pod.delete)
    await rig.until(policy, "Programmed", "NoReadyPods")
    await rig.until(rig.gateway, "Ready", "NoReadyPods")


async def test_a_new_pod_that_has_loaded_the_newest_writes_nothing_on_policies(rig: Reporting, node: Kubelet) -> None:
    policy, *_ = await _programmed(rig, node)
    await rig.quiet()
    before = list(rig.client.statuses)
    await asyncio.to_thread(node.run, rig.namespace, "corp")

    async def three() -> bool:
        return (await rig.status(rig.gateway))["programmedReplicas"] == 3

    await eventually(three, what="three programmed pods")
    await rig.quiet()
    assert policy not in rig.client.statuses[len(before) :]


async def test_a_real_proxy_is_nudged_and_asked(rig: Reporting, node: Kubelet) -> None:
    _, policy = await rig.gateway_and_policies("everyone")
    await rig.write_configuration(1)
    (pod,) = await asyncio.to_thread(node.run_real, rig.namespace, "corp")
    await rig.reconciled()
    # No Secret with a token is mounted, so the real admin port refuses everybody
    await rig.until(policy, "Programmed", "PodsBehind")
    assert await _says(rig, policy, f"{pod.name} does not say what it has loaded: it refuses the operator's token")
    await rig.write_token("a-token-of-this-test")
    await rig.until(policy, "Programmed", "Programmed")
    await _edit(rig, 2)
    await rig.until(policy, "Programmed", "Programmed")
    assert (await rig.status(rig.gateway))["programmedReplicas"] == 1


async def _says(rig: Reporting, ref: object, text: str) -> bool:
    return any(text in each["message"] for each in (await rig.status(ref))["conditions"])  # type: ignore[arg-type]


async def _true(value: bool) -> bool:
    return value
