//! Writes the core module of a component that denies.

use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, DataSection, EntityType, ExportKind, ExportSection,
    Function as Body, FunctionSection, ImportSection, MemorySection, MemoryType, Module, NameMap,
    NameSection, TypeSection, ValType,
};
use wit_parser::abi::{AbiVariant, FlatTypes, WasmSignature, WasmType};
use wit_parser::{
    Function, Handle, InterfaceId, LiftLowerAbi, ManglingAndAbi, Resolve, ResourceIntrinsic, Type,
    TypeDefKind, TypeId, WasmExport, WasmExportKind, WasmImport, World, WorldId, WorldItem,
    WorldKey,
};

use super::deny::{Answer, answer};

const ABI: ManglingAndAbi = ManglingAndAbi::Legacy(LiftLowerAbi::Sync);
const PAGE: u32 = 64 * 1024;
/// Answers begin here; nothing lies at address 0.
const ANSWERS: u32 = 16;

/// A core module that grows function by function.
pub(super) struct Stub<'a> {
    resolve: &'a Resolve,
    /// The component that is denied something.
    name: &'a str,
    types: TypeSection,
    imports: ImportSection,
    functions: FunctionSection,
    exports: ExportSection,
    code: CodeSection,
    names: NameMap,
    answers: Vec<u8>,
    drops: Vec<Dropper>,
}

/// The imported function that drops handles of a resource.
struct Dropper {
    resource: TypeId,
    index: u32,
    /// The resource is one that the stub exports.
    own: bool,
}

/// A handle among the arguments.
struct Given {
    /// The argument that says whether it is there at all.
    present: Option<u32>,
    argument: u32,
    drop: u32,
}

impl<'a> Stub<'a> {
    /// A module that denies all that the world exports.
    pub(super) fn new(resolve: &'a Resolve, name: &'a str, world: WorldId) -> Result<Self, String> {
        let mut stub = Self {
            resolve,
            name,
            types: TypeSection::new(),
            imports: ImportSection::new(),
            functions: FunctionSection::new(),
            exports: ExportSection::new(),
            code: CodeSection::new(),
            names: NameMap::new(),
            answers: Vec::new(),
            drops: Vec::new(),
        };
        let world = resolve.worlds.get(world).ok_or("there is no world")?;
        stub.import_drops(world);
        for (key, id) in interfaces(world.exports.iter()) {
            let functions = resolve
                .interfaces
                .get(id)
                .map(|interface| &interface.functions);
            for function in functions
                .into_iter()
                .flat_map(|functions| functions.values())
            {
                stub.add(key, function)?;
            }
        }
        stub.add_realloc();
        Ok(stub)
    }

    /// The module's bytes.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let mut memories = MemorySection::new();
        memories.memory(MemoryType {
            minimum: u64::from(self.arguments() / PAGE),
            maximum: None,
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
        let memory = self.resolve.wasm_export_name(ABI, WasmExport::Memory);
        self.exports.export(&memory, ExportKind::Memory, 0);
        let mut data = DataSection::new();
        data.active(
            0,
            &ConstExpr::i32_const(ANSWERS.cast_signed()),
            self.answers.iter().copied(),
        );
        let mut names = NameSection::new();
        names.functions(&self.names);
        let mut module = Module::new();
        module
            .section(&self.types)
            .section(&self.imports)
            .section(&self.functions)
            .section(&memories)
            .section(&self.exports)
            .section(&self.code)
            .section(&data)
            .section(&names);
        module.finish()
    }

    /// Where arguments are written: the first page behind the answers.
    fn arguments(&self) -> u32 {
        let answers = u32::try_from(self.answers.len()).unwrap_or(PAGE);
        answers.saturating_add(ANSWERS).next_multiple_of(PAGE)
    }

    fn import_drops(&mut self, world: &World) {
        let imported = interfaces(world.imports.iter()).map(|(key, id)| (key, id, false));
        let exported = interfaces(world.exports.iter()).map(|(key, id)| (key, id, true));
        for (key, id, exported) in imported.chain(exported) {
            for resource in resources(self.resolve, id) {
                let intrinsic = if exported {
                    ResourceIntrinsic::ExportedDrop
                } else {
                    ResourceIntrinsic::ImportedDrop
                };
                let import = WasmImport::ResourceIntrinsic {
                    interface: Some(key),
                    resource,
                    intrinsic,
                };
                let (module, name) = self.resolve.wasm_import_name(ABI, import);
                let index = self.imports.len();
                let ty = self.types.len();
                self.types.ty().function([ValType::I32], []);
                self.imports
                    .import(&module, &name, EntityType::Function(ty));
                self.drops.push(Dropper {
                    resource,
                    index,
                    own: exported,
                });
            }
        }
    }

    /// Adds a function that denies.
    fn add(&mut self, key: &WorldKey, function: &Function) -> Result<(), String> {
        let interface = self.resolve.name_world_key(key);
        let signature = self
            .resolve
            .wasm_signature(AbiVariant::GuestExport, function);
        let index = self.declare(&signature);
        let export = WasmExport::Func {
            interface: Some(key),
            func: function,
            kind: WasmExportKind::Normal,
        };
        let name = self.resolve.wasm_export_name(ABI, export);
        self.exports.export(&name, ExportKind::Func, index);
        let label = format!(
            "{interface}#{} is not granted to {}",
            function.name, self.name
        );
        self.names.append(index, &label);
        let body = self.body(&interface, function, &signature)?;
        self.code.function(&body);
        Ok(())
    }

    fn body(
        &mut self,
        interface: &str,
        function: &Function,
        signature: &WasmSignature,
    ) -> Result<Body, String> {
        let address =
            ANSWERS + u32::try_from(self.answers.len()).map_err(|error| error.to_string())?;
        let mut body = Body::new([]);
        let mut code = body.instructions();
        match answer(self.resolve, interface, function, address) {
            Answer::Trap => {
                code.unreachable();
            }
            Answer::Value(value) => {
                for given in self.handles(function, signature) {
                    if let Some(present) = given.present {
                        code.local_get(present).if_(BlockType::Empty);
                    }
                    code.local_get(given.argument).call(given.drop);
                    if given.present.is_some() {
                        code.end();
                    }
                }
                if signature.retptr {
                    code.i32_const(address.cast_signed());
                    self.answers.extend_from_slice(&value);
                    self.answers
                        .resize(self.answers.len().next_multiple_of(8), 0);
                } else {
                    code.i32_const(value.first().copied().unwrap_or_default().into());
                }
            }
        }
        code.end();
        Ok(body)
    }

    /// The handles among a function's arguments, which have to be dropped.
    fn handles(&self, function: &Function, signature: &WasmSignature) -> Vec<Given> {
        let mut found = Vec::new();
        if signature.indirect_params {
            return found;
        }
        let mut argument = 0;
        for parameter in &function.params {
            if let Some(drop) = self.dropped_by(&parameter.ty) {
                found.push(Given {
                    present: None,
                    argument,
                    drop,
                });
            } else if let Some(TypeDefKind::Option(inner)) = kind(self.resolve, &parameter.ty)
                && let Some(drop) = self.dropped_by(inner)
            {
                found.push(Given {
                    present: Some(argument),
                    argument: argument + 1,
                    drop,
                });
            }
            let mut storage = [WasmType::I32; Resolve::MAX_FLAT_PARAMS];
            let mut flat = FlatTypes::new(&mut storage);
            self.resolve.push_flat(&parameter.ty, &mut flat);
            argument += u32::try_from(flat.to_vec().len()).unwrap_or_default();
        }
        found
    }

    /// The function that drops a handle. A borrowed resource of our own comes as what it stands for, and is no handle.
    fn dropped_by(&self, ty: &Type) -> Option<u32> {
        let Some(TypeDefKind::Handle(handle)) = kind(self.resolve, ty) else {
            return None;
        };
        let (Handle::Own(id) | Handle::Borrow(id)) = handle;
        let id = original(self.resolve, *id);
        let borrowed = matches!(handle, Handle::Borrow(_));
        let dropper = self.drops.iter().find(|dropper| dropper.resource == id)?;
        (!(borrowed && dropper.own)).then_some(dropper.index)
    }

    fn declare(&mut self, signature: &WasmSignature) -> u32 {
        let index = self.imports.len() + self.functions.len();
        let ty = self.types.len();
        let types = |types: &[WasmType]| types.iter().copied().map(value_type).collect::<Vec<_>>();
        self.types
            .ty()
            .function(types(&signature.params), types(&signature.results));
        self.functions.function(ty);
        index
    }

    /// Gives all arguments the same place: they are never read.
    fn add_realloc(&mut self) {
        let index = self.imports.len() + self.functions.len();
        let ty = self.types.len();
        self.types.ty().function([ValType::I32; 4], [ValType::I32]);
        self.functions.function(ty);
        let name = self.resolve.wasm_export_name(ABI, WasmExport::Realloc);
        self.exports.export(&name, ExportKind::Func, index);
        let begin = self.arguments();
        let mut body = Body::new([(1, ValType::I32)]);
        // Pages that are needed and not there: behind `begin`, the size in argument 3, rounded up.
        body.instructions()
            .local_get(3)
            .i32_const((begin + PAGE - 1).cast_signed())
            .i32_add()
            .i32_const(16)
            .i32_shr_u()
            .memory_size(0)
            .i32_sub()
            .local_tee(4)
            .i32_const(0)
            .i32_gt_s()
            .if_(BlockType::Empty)
            .local_get(4)
            .memory_grow(0)
            .i32_const(0)
            .i32_lt_s()
            .if_(BlockType::Empty)
            .unreachable()
            .end()
            .end()
            .i32_const(begin.cast_signed())
            .end();
        self.code.function(&body);
    }
}

fn interfaces<'a>(
    items: impl Iterator<Item = (&'a WorldKey, &'a WorldItem)>,
) -> impl Iterator<Item = (&'a WorldKey, InterfaceId)> {
    items.filter_map(|(key, item)| match item {
        WorldItem::Interface { id, .. } => Some((key, *id)),
        _ => None,
    })
}

/// The resources that an interface declares.
fn resources(resolve: &Resolve, interface: InterfaceId) -> Vec<TypeId> {
    let types = resolve
        .interfaces
        .get(interface)
        .map(|interface| interface.types.values());
    types
        .into_iter()
        .flatten()
        .copied()
        .filter(|id| {
            resolve
                .types
                .get(*id)
                .is_some_and(|ty| matches!(ty.kind, TypeDefKind::Resource))
        })
        .collect()
}

/// What a type is, behind all its names.
pub(super) fn kind<'a>(resolve: &'a Resolve, ty: &Type) -> Option<&'a TypeDefKind> {
    let Type::Id(id) = ty else { return None };
    Some(&resolve.types.get(original(resolve, *id))?.kind)
}

/// The type that a name stands for in the end.
fn original(resolve: &Resolve, id: TypeId) -> TypeId {
    match resolve.types.get(id).map(|ty| &ty.kind) {
        Some(TypeDefKind::Type(Type::Id(other))) => original(resolve, *other),
        _ => id,
    }
}

fn value_type(ty: WasmType) -> ValType {
    match ty {
        WasmType::I32 | WasmType::Pointer | WasmType::Length => ValType::I32,
        WasmType::I64 | WasmType::PointerOrI64 => ValType::I64,
        WasmType::F32 => ValType::F32,
        WasmType::F64 => ValType::F64,
    }
}
