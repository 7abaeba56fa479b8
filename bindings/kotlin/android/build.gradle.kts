// The AAR of org.ewebrtc: the Kotlin sources of ../src/main, the generated ones, and the native libraries that build-native.sh has made.
import org.jetbrains.kotlin.gradle.dsl.JvmTarget

plugins {
    id("com.android.library") version "8.13.0"
    id("org.jetbrains.kotlin.android") version "2.3.10"
    `maven-publish`
}

group = "org.ewebrtc"
version = "0.1.0"

/** Where build-native.sh puts what it makes. */
val made = layout.projectDirectory.dir("../../../target/kotlin-android").asFile

layout.buildDirectory.set(made.resolve("gradle"))

android {
    namespace = "org.ewebrtc"
    compileSdk = 36

    defaultConfig {
        // java.time and java.nio.file, which the package uses.
        minSdk = 26
        consumerProguardFiles("consumer-rules.pro")
    }

    sourceSets["main"].apply {
        kotlin.srcDirs("../src/main/kotlin", made.resolve("generated"))
        jniLibs.srcDirs(made.resolve("jniLibs"))
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }

    // The generated sources name java.lang.ref.Cleaner, and look whether it is there before they use it.
    lint {
        disable += "NewApi"
    }

    publishing {
        singleVariant("release") {
            withSourcesJar()
        }
    }
}

kotlin {
    compilerOptions {
        jvmTarget.set(JvmTarget.JVM_17)
    }
}

dependencies {
    api("org.jetbrains.kotlinx:kotlinx-coroutines-android:1.10.2")
    api("org.jetbrains.kotlinx:kotlinx-serialization-json:1.9.0")
    // The AAR of JNA has its own native part for Android; libraries for 16 KB pages since 5.17.
    implementation("net.java.dev.jna:jna:5.18.1@aar")
}

val natives by tasks.registering {
    val libraries = made.resolve("jniLibs")
    doLast {
        check(libraries.isDirectory) { "there are no native libraries: run build-native.sh first" }
    }
}

tasks.named("preBuild") {
    dependsOn(natives)
}

publishing {
    publications {
        register<MavenPublication>("release") {
            artifactId = "ewebrtc-android"
            afterEvaluate { from(components["release"]) }
        }
    }
}
