# From models to embeddings and attention, and from all of a study to its tables and its summary.


rule embed:
    input:
        store=STORE,
        splits=splits_of,
        models=of_all_folds("model.safetensors"),
    output:
        embeddings=of_all_folds("embeddings.safetensors"),
    log:
        f"{RESULTS}/logs/embed/{{protocol}}/{{run}}{{repeat}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/embed/{{protocol}}/{{run}}{{repeat}}.tsv"
    conda:
        "../../envs/training.yaml"
    resources:
        gpu=1,
        device=config["device"],
        slots=config["slots_per_gpu"],
    params:
        splits=folder_of_splits,
        folder=folder_of_fold,
        folds=as_json(list(FOLDS)),
        run=model_settings,
        per_class=config["figures"]["per_class"],
        seed=config["figures"]["seed"],
        code=code_of_run("embed"),
    message:
        "Class-token embeddings of {wildcards.run}, {wildcards.protocol}{wildcards.repeat}"
    shell:
        "python src embed --store {input.store:q} --splits {params.splits:q} --folder {params.folder:q} "
        "--folds {params.folds:q} --run {params.run:q} --per-class {params.per_class:q} "
        "--seed {params.seed:q} --device {resources.device:q} --slots-per-gpu {resources.slots:q} "
        "--threads {threads:q} 2>&1 | tee {log:q}"


rule identify:
    input:
        store=STORE,
        splits=splits_of,
        models=of_all_folds("model.safetensors"),
    output:
        identity=of_all_folds("identity.csv"),
    log:
        f"{RESULTS}/logs/identify/{{protocol}}/{{run}}{{repeat}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/identify/{{protocol}}/{{run}}{{repeat}}.tsv"
    conda:
        "../../envs/training.yaml"
    resources:
        gpu=1,
        device=config["device"],
        slots=config["slots_per_gpu"],
    params:
        splits=folder_of_splits,
        folder=folder_of_fold,
        folds=as_json(list(FOLDS)),
        run=model_settings,
        per_class=config["figures"]["per_class"],
        seed=config["figures"]["seed"],
        code=code_of_run("identify"),
    message:
        "Guess videos by {wildcards.run}, {wildcards.protocol}{wildcards.repeat}"
    shell:
        "python src identify --store {input.store:q} --splits {params.splits:q} --folder {params.folder:q} "
        "--folds {params.folds:q} --run {params.run:q} --per-class {params.per_class:q} "
        "--seed {params.seed:q} --device {resources.device:q} --slots-per-gpu {resources.slots:q} "
        "--threads {threads:q} 2>&1 | tee {log:q}"


rule calibrate:
    input:
        store=STORE,
        splits=splits_of,
        models=of_all_folds("model.safetensors"),
        unlabelled=UNLABELLED if config["dataset"]["unlabelled"] else [],
    output:
        calibration=of_all_folds("calibration.csv"),
    log:
        f"{RESULTS}/logs/calibrate/{{protocol}}/{{run}}{{repeat}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/calibrate/{{protocol}}/{{run}}{{repeat}}.tsv"
    conda:
        "../../envs/training.yaml"
    resources:
        gpu=1,
        device=config["device"],
        slots=config["slots_per_gpu"],
    params:
        splits=folder_of_splits,
        folder=folder_of_fold,
        folds=as_json(list(FOLDS)),
        run=model_settings,
        step=config["windows"]["step"],
        per_class=config["figures"]["per_class"],
        seed=config["figures"]["seed"],
        code=code_of_run("calibrate"),
    message:
        "Uncertainty of {wildcards.run}, {wildcards.protocol}{wildcards.repeat}"
    shell:
        "python src calibrate --store {input.store:q} --splits {params.splits:q} --folder {params.folder:q} "
        "--folds {params.folds:q} --run {params.run:q} --unlabelled={input.unlabelled:q} "
        "--step {params.step:q} --per-class {params.per_class:q} --seed {params.seed:q} "
        "--device {resources.device:q} --slots-per-gpu {resources.slots:q} --threads {threads:q} "
        "2>&1 | tee {log:q}"


rule attend:
    input:
        store=STORE,
        model=f"{FOLD}/model.safetensors",
        predictions=f"{FOLD}/predictions.parquet",
    output:
        attention=f"{FOLD}/attention.safetensors",
    log:
        f"{RESULTS}/logs/attend/{{protocol}}/{{run}}-fold{{fold}}{{repeat}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/attend/{{protocol}}/{{run}}-fold{{fold}}{{repeat}}.tsv"
    conda:
        "../../envs/training.yaml"
    params:
        run=model_settings,
        category=literal(config["figures"]["category"]),
        code=code_of_run("attend"),
    message:
        "Attention of {wildcards.run}, {wildcards.protocol}, fold {wildcards.fold}{wildcards.repeat}"
    shell:
        "python src attend --store {input.store:q} --model {input.model:q} "
        "--run {params.run:q} --predictions {input.predictions:q} --category={params.category:q} "
        "--output {output.attention:q} 2>&1 | tee {log:q}"


rule attention_movement:
    input:
        store=STORE,
        splits=splits_of,
        models=of_all_folds("model.safetensors"),
    output:
        movement=of_all_folds("movement.parquet"),
    log:
        f"{RESULTS}/logs/attention_movement/{{protocol}}/{{run}}{{repeat}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/attention_movement/{{protocol}}/{{run}}{{repeat}}.tsv"
    conda:
        "../../envs/training.yaml"
    resources:
        gpu=1,
        device=config["device"],
        slots=config["slots_per_gpu"],
    params:
        splits=folder_of_splits,
        folder=folder_of_fold,
        folds=as_json(list(FOLDS)),
        run=model_settings,
        seed=config["figures"]["seed"],
        code=code_of_run("attention_movement"),
    message:
        "Attention and movement of {wildcards.run}, {wildcards.protocol}{wildcards.repeat}"
    shell:
        "python src attention_movement --store {input.store:q} --splits {params.splits:q} "
        "--folder {params.folder:q} --folds {params.folds:q} --run {params.run:q} --seed {params.seed:q} "
        "--device {resources.device:q} --slots-per-gpu {resources.slots:q} --threads {threads:q} "
        "2>&1 | tee {log:q}"


for TABLE in TABLES:

    rule:
        name:
            TABLE.name
        input:
            store=STORE,
            needs=needed_by(TABLE),
        output:
            **outputs_of(TABLE, "tables", table_files(TABLE)),
        log:
            f"{RESULTS}/logs/{{study}}/{TABLE.name}.log",
        benchmark:
            f"{RESULTS}/benchmarks/{{study}}/{TABLE.name}.tsv"
        conda:
            "../../envs/training.yaml"
        params:
            stage=TABLE.name,  # the command is put together when TABLE is another one
            table=lambda wildcards, output: output[0],
            study=part_of(TABLE),
            code=code_of_table(TABLE),
        message:
            f"{TABLE.message} ({{wildcards.study}})"
        shell:
            "python src {params.stage:q} --study {params.study:q} --output {params.table:q} "
            "2>&1 | tee {log:q}"


rule summary:
    input:
        store=STORE,
        needs=needed_by(SUMMARY),
        base=ancient("config.yaml"),
    output:
        markdown=f"{STUDY}/summary.md",
        page=in_report(
            f"{STUDY}/summary.html",
            "summary",
            "Summary and configuration",
            "All tables and the configuration",
        ),
    log:
        f"{RESULTS}/logs/{{study}}/summary.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{study}}/summary.tsv"
    conda:
        "../../envs/training.yaml"
    params:
        study=part_of(SUMMARY),
        # Without its comments: they change nothing.
        base=literal(
            in_order(
                parsed_yaml(
                    Path(workflow.basedir, "config.yaml").read_text(encoding="utf-8")
                )
            )
        ),
        code=code_of("summary"),
    message:
        f"{SUMMARY.message} ({{wildcards.study}})"
    shell:
        "python src summary --study {params.study:q} --base {input.base:q} --output {output.markdown:q} "
        "2>&1 | tee {log:q}"
