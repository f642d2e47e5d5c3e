# From a source of trajectories to windows: acquire (or synthetic), ingest, split.

MANIFEST = f"{RESULTS}/data/manifest.json"
RAW = f"{RESULTS}/data/raw"

if config["dataset"]["source"] == SYNTHETIC:

    rule synthetic:
        output:
            MANIFEST,
        log:
            log_of("synthetic"),
        benchmark:
            benchmark_of("synthetic")
        conda:
            "../../envs/data.yaml"
        params:
            folder=RAW,
            seed=config.get("synthetic", {}).get("seed", 0),
            size=config.get("synthetic", {}).get("size", 1.0),
            code=code_of("synthetic"),
        message:
            "Make the demonstration dataset"
        shell:
            "python src synthetic --seed {params.seed:q} --size {params.size:q} "
            "--folder {params.folder:q} --output {output:q} 2>&1 | tee {log:q}"

else:

    # Downloads are not a declared output: they outlive a failed job, and the next one goes on with
    # the first missing file.
    rule acquire:
        output:
            MANIFEST,
        log:
            log_of("acquire"),
        benchmark:
            benchmark_of("acquire")
        retries: 2
        conda:
            "../../envs/data.yaml"
        params:
            source=literal(config["dataset"]["source"]),
            server=literal(config["dataset"]["server"]),
            checksum=config["dataset"]["checksum"] or "",
            max_gigabytes=config["dataset"]["max_gigabytes"],
            folder=RAW,
            state=SOURCE_STATE,
            code=code_of("acquire"),
        message:
            "Acquire {params.source}"
        shell:
            "python src acquire --source={params.source:q} --server={params.server:q} "
            "--checksum={params.checksum:q} --max-gigabytes {params.max_gigabytes:q} "
            "--folder {params.folder:q} --output {output:q} 2>&1 | tee {log:q}"


# The list of what is rejected is not a declared output: a failed job keeps it.
rule ingest:
    input:
        manifest=MANIFEST,
        labels=literal(config["dataset"]["labels"] or []),
    output:
        store=STORE,
        summary=f"{RESULTS}/data/summary.json",
    log:
        log_of("ingest"),
    benchmark:
        benchmark_of("ingest")
    conda:
        "../../envs/data.yaml"
    threads: 8
    params:
        categories=literal(as_json(categories_of(config) or [])),
        reading=literal(in_order(reading_of(config))),
        skeleton=literal(as_json(skeleton_of(config).table)),
        code=code_of("ingest"),
    message:
        "Read all trajectories into one frame store"
    shell:
        "python src ingest --manifest {input.manifest:q} --categories={params.categories:q} "
        "--reading {params.reading:q} --threads {threads:q} --output {output.store:q} "
        "2>&1 | tee {log:q}"


if config["dataset"]["unlabelled"]:

    use rule ingest as ingest_unlabelled with:
        output:
            store=UNLABELLED,
            summary=f"{RESULTS}/data/unlabelled/summary.json",
        log:
            log_of("ingest_unlabelled"),
        benchmark:
            benchmark_of("ingest_unlabelled")
        params:
            categories=literal(as_json(config["dataset"]["unlabelled"])),
            reading=literal(in_order(reading_of(config))),
            skeleton=literal(as_json(skeleton_of(config).table)),
            code=code_of("ingest"),
        message:
            "Read the trajectories without a class"


rule split:
    input:
        store=STORE,
    output:
        folds=expand(f"{SPLITS}/fold{{fold}}.parquet", fold=FOLDS, allow_missing=True),
        summary=f"{SPLITS}/summary.csv",
    log:
        f"{RESULTS}/logs/split/{{protocol}}-T{{length}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/split/{{protocol}}-T{{length}}.tsv"
    conda:
        "../../envs/data.yaml"
    params:
        folder=subpath(output.summary, parent=True),
        settings=literal(in_order(config["split"])),
        step=config["windows"]["step"],
        code=code_of("split"),
    message:
        "Cut windows of {wildcards.length} frames by the protocol {wildcards.protocol}"
    shell:
        "python src split --store {input.store:q} --protocol {wildcards.protocol:q} "
        "--segment-length {wildcards.length:q} --step {params.step:q} --split {params.settings:q} "
        "--output {params.folder:q} 2>&1 | tee {log:q}"
