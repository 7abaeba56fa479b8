#!/usr/bin/env bash
# Everything that must hold for the Kotlin package on the JVM: it is compiled without a warning into the jar that is given away, its tests
# run with that jar, and so do the programs of the guide. No Maven repository is needed: the compiler, its standard library,
# kotlinx-coroutines and kotlinx-serialization-json come out of a package of PyPI, JNA and JUnit 5 out of Debian. Everything it
# makes is below target/kotlin.
#
#   bindings/kotlin/run-tests.sh [tests] [guide] [android] [pom]     without arguments: all of them
#   bindings/kotlin/run-tests.sh runner                              the parity runner: target/parity/kotlin
#   bindings/kotlin/run-tests.sh tests NAME...                       only test classes of these names, e.g. CallsTest
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. scripts/not-run.sh

root=$PWD
here=$PWD/bindings/kotlin
out=$PWD/target/kotlin
# It brings the compiler 2.3.10-RC, kotlinx-coroutines 1.10.2 and kotlinx-serialization-json 1.9.0.
wheel=kotlin-jupyter-kernel==0.19.0.944
debian=/usr/share/java
# Where JNA unpacks the library; what is left there by processes that were killed goes with target.
unset JAVA_TOOL_OPTIONS
java_options=(-XX:+UseSerialGC -XX:TieredStopAtLevel=1 "-Djna.tmpdir=$out/unpacked")

run() { # run SECONDS COMMAND...: FFI mistakes hang rather than fail
    timeout --kill-after=5 "$@" || { echo "kotlin: FAILED: ${*:2:3} (status $?)" >&2; exit 1; }
}

tools() {
    scripts/deps.sh kotlin || not_run kotlin 'a JDK, JNA or JUnit 5 is missing'
    mkdir -p "$out/unpacked"
    if [ "$(cat "$out/compiler/version" 2>/dev/null)" != "$wheel" ]; then
        rm -rf "$out/compiler" "$out/venv"
        { /usr/bin/python3 -m venv "$out/venv" &&
            "$out/venv/bin/pip" install -q --disable-pip-version-check --no-deps --target "$out/compiler" "$wheel"; } ||
            not_run kotlin 'its compiler could not be installed from PyPI'
        echo "$wheel" >"$out/compiler/version"
    fi
    local jars=$out/compiler/run_kotlin_kernel/jars name
    all=$(ls "$jars"/kotlin-jupyter-kernel-*-all.jar)
    libraries=$(ls "$jars"/kotlin-stdlib-*.jar):$(ls "$jars"/kotlinx-serialization-core-*.jar):$(ls "$jars"/kotlinx-serialization-json-*.jar)
    libraries=$libraries:$all:$debian/jna.jar
    junit=
    for name in junit-jupiter-{api,engine,params} junit-platform-{commons,engine,launcher,console,reporting} opentest4j \
        opentest4j-reporting-{events,schema} apiguardian-api picocli; do
        [ ! -e "$debian/$name.jar" ] || junit=$junit:$debian/$name.jar
    done
}

kotlinc() { # kotlinc JAR CLASSPATH ARGUMENT...
    local jar=$1 path=$2
    shift 2
    run 300 java -Xmx1500m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$all" org.jetbrains.kotlin.cli.jvm.K2JVMCompiler \
        -no-stdlib -no-reflect -jvm-target 17 -Werror -classpath "$path" -d "$jar" "$@"
}

# What goes into a jar, so that it is made again only when that has changed.
fingerprint() { find "$@" -type f -print0 | sort -z | xargs -0 cat | sha256sum; }

# The jar as it is given away: classes, and the library where JNA looks for it.
build() {
    bindings/kotlin/generate.sh "$out"
    local made
    made=$(fingerprint "$here/src/main" "$out/generated" "$out/resources" "$here/run-tests.sh")
    if [ "$(cat "$out/ewebrtc.made" 2>/dev/null)" != "$made" ]; then
        rm -f "$out/ewebrtc.made"
        kotlinc "$out/ewebrtc.jar" "$libraries" -module-name ewebrtc "$out/generated" "$here/src/main/kotlin"
        jar --update --file "$out/ewebrtc.jar" -C "$out/resources" .
        echo "$made" >"$out/ewebrtc.made"
    fi
}

runner() {
    mkdir -p "$root/target/parity"
    kotlinc "$out/runner.jar" "$libraries:$out/ewebrtc.jar" -module-name runner ffi-tests/parity/kotlin
    cat >"$root/target/parity/kotlin" <<END
#!/bin/sh
exec java -Xmx128m ${java_options[*]} -cp "$out/ewebrtc.jar:$out/runner.jar:$libraries" RunnerKt
END
    chmod +x "$root/target/parity/kotlin"
}

compile_tests() {
    local made
    made=$(fingerprint "$here/src/test" "$out/ewebrtc.made")
    if [ "$(cat "$out/tests.made" 2>/dev/null)" != "$made" ]; then
        rm -f "$out/tests.made"
        kotlinc "$out/tests.jar" "$libraries:$out/ewebrtc.jar$junit" -module-name tests "$here/src/test/kotlin"
        echo "$made" >"$out/tests.made"
    fi
}

launch() { # launch ARGUMENT...: of the JVM and of JUnit, parted by --
    local jvm=()
    while [ "$1" != -- ]; do jvm+=("$1") && shift; done
    run 900 java -ea "${java_options[@]}" "${jvm[@]}" -cp "$out/ewebrtc.jar:$out/tests.jar:$out/pages.jar:$libraries$junit" \
        org.junit.platform.console.ConsoleLauncher "${@:2}" --details=tree --details-theme=ascii --disable-ansi-colors \
        --disable-banner --fail-if-no-tests
}

tests() { # tests [CLASS...]
    local choice=(--scan-classpath "$out/tests.jar" --exclude-classname '.*PagesTest') name
    [ $# -eq 0 ] || choice=()
    for name in "$@"; do choice+=(--select-class "org.ewebrtc.$name"); done
    compile_tests
    launch -- "${choice[@]}"
}

# Below the ports that the system itself gives to sockets: nobody takes it while the programs are compiled.
free_port() {
    /usr/bin/python3 - <<'END'
import contextlib, random, socket
while True:
    with contextlib.suppress(OSError), socket.socket() as one:
        port = random.randrange(10_000, 20_000)
        one.bind(("127.0.0.1", port))
        print(port)
        break
END
}

# Every program of the pages is compiled as printed, and run; only the address of the gateway elsewhere is another one.
guide() {
    local page listen names
    listen=127.0.0.1:$(free_port)
    rm -rf "$out/pages"
    mkdir -p "$out/pages"
    for page in README.md bindings/kotlin/README.md docs/guide-kotlin.md; do
        blocks "$page" "$out/pages/$(tr /- _ <<<"${page%.md}")" "s/127\\.0\\.0\\.1:8080/$listen/"
    done
    kotlinc "$out/pages.jar" "$libraries:$out/ewebrtc.jar" -module-name pages "$out/pages"
    names=$(cd "$out/pages" && printf '%s\n' *.kt | sed -E 's/^(.)(.*)\.kt$/\U\1\E\2Kt/' | paste -sd,)
    compile_tests
    launch "-Dewebrtc.pages=$names" "-Dewebrtc.listen=$listen" -- --select-class org.ewebrtc.PagesTest
}

blocks() { # blocks PAGE STEM [SED-SCRIPT]: its blocks of Kotlin as STEM_1.kt ...
    sed "${3:-}" "$1" | awk -v stem="$2" '
        /^```kotlin$/ { file = sprintf("%s_%d.kt", stem, ++n); next } /^```$/ { file = "" } file { print > file }'
}

# What can be said of Android without an SDK: the page's Kotlin fits the package, and what of it can run does; the other files
# have the form that they must have.
android() {
    local folder=$out/android
    rm -rf "$folder" && mkdir -p "$folder"
    blocks docs/android.md "$folder/page"
    kotlinc "$out/android.jar" "$libraries:$out/ewebrtc.jar" -module-name check "$folder" "$here/android/check"
    run 120 java -ea "${java_options[@]}" -cp "$out/ewebrtc.jar:$out/android.jar:$libraries" CheckKt
    bash -n "$here/android/build-native.sh"
    run 60 /usr/bin/python3 -c 'import sys; from xml.etree import ElementTree; ElementTree.parse(sys.argv[1])' \
        "$here/android/src/main/AndroidManifest.xml"
}

# What can be said of pom.xml without a repository: Maven reads it, and its versions are those with which all of this was tested.
pom() {
    if command -v mvn >/dev/null; then
        run 120 mvn -o -q -B -f "$here/pom.xml" validate
    else
        echo 'kotlin: NOTE: there is no Maven here, which would read pom.xml'
    fi
    run 60 /usr/bin/python3 - "$here/pom.xml" Cargo.toml "$all" "$libraries" "$here/android/build.gradle.kts" <<'END'
import re, sys, zipfile
from pathlib import Path
from xml.etree import ElementTree

pom, cargo, compiler, libraries, gradle = sys.argv[1:]
names = {"m": "http://maven.apache.org/POM/4.0.0"}
root = ElementTree.parse(pom).getroot()
said = lambda name: root.find(f"m:properties/m:{name}", names).text
with zipfile.ZipFile(compiler) as jar:
    coroutines = jar.read("META-INF/kotlinx_coroutines_core.version").decode().strip()
used = {
    "kotlin.version": re.search(r"kotlin-stdlib-([0-9.]+)", libraries)[1],
    "coroutines.version": coroutines,
    "serialization.version": re.search(r"serialization-json-jvm-([0-9.]+)\.jar", libraries)[1],
}
for name, version in used.items():
    assert said(name) == version, f"{name}: pom.xml says {said(name)}, the tests use {version}"
own = root.find("m:version", names).text
assert own == re.search(r'^version = "(.*)"', Path(cargo).read_text(), re.M)[1], "version of the project"
# The AAR is of the same versions.
text = Path(gradle).read_text()
for part in (
    f'version = "{own}"',
    f"kotlinx-coroutines-android:{said('coroutines.version')}",
    f"kotlinx-serialization-json:{said('serialization.version')}",
    f"net.java.dev.jna:jna:{said('jna.version')}@aar",
    f'version "{said("kotlin.version")}"',
):
    assert part in text, f"build.gradle.kts has no {part}"
print("kotlin: pom.xml:", ", ".join(f"{name} {version}" for name, version in used.items()))
END
}

stages=(tests guide android pom)
if [ $# -gt 0 ]; then stages=("$@"); fi
tools
build
while [ ${#stages[@]} -gt 0 ]; do
    stage=${stages[0]}
    stages=("${stages[@]:1}")
    names=()
    while [ "$stage" = tests ] && [[ ${stages[0]:-} == [A-Z]* ]]; do
        names+=("${stages[0]}")
        stages=("${stages[@]:1}")
    done
    echo "kotlin: $stage ${names[*]}"
    case $stage in
    tests | guide | android | pom | runner) "$stage" "${names[@]}" ;;
    *)
        echo "kotlin: there is no stage '$stage'" >&2
        exit 2
        ;;
    esac
done
echo 'kotlin: passed'
